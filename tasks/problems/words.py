"""The words of small problems: everyday nouns, written down for them; about half of a list's are animals."""

_ANIMALS = """
ant ape bat bear bee bird bug bull calf cat cow crab crow deer dog dove duck eagle elk fish flea fly fox frog goat
goose hawk hen horse lamb lion mole monkey moth mouse mule newt owl ox pig pony puppy rabbit ram rat seal shark
sheep snail snake spider swan tiger toad trout turtle wasp whale wolf worm zebra
"""
_THINGS = """
bag ball bank bell belt boat bolt book boot bowl box brick bridge brush bus cake candle cap car card cart chair
clock coat coin comb cup desk dish door drum fan fence flag fork gate glass glove hammer hat ink jar key kite knife
ladder lamp lock map mirror nail needle net oven paint pan pen pin pipe pot purse ring road rock roof rope rug saw
scarf shelf shirt shoe soap sock sofa spoon stone string table tape tent tie tool towel tower toy train tray truck
tube vase wall wheel window wire yard
"""

ANIMALS, THINGS = frozenset(_ANIMALS.split()), frozenset(_THINGS.split())
