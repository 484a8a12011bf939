"""Texts that nobody says the encoding of come in as they were written; the sentences were written for this test."""

from __future__ import annotations

import pytest

from adapter_workbench.tasks.reading import encodings
from adapter_workbench.tasks.reading.encodings import encoding_of, explained_share

TEXTS = {
    "German": ("cp1252", "Größe und Tür passen nicht|Über den Wolken ist es schön|Das Gerät läuft nicht mehr"),
    "French": ("cp1252", "l'été dernier – j’ai mangé des crêpes|où est le garçon ?|très déçu : le colis est abîmé"),
    "Spanish": ("cp1252", "¿Cuándo llegará mi pedido?|El niño comió una manzana|¡Qué película más buena!"),
    "Italian": ("cp1252", "Il pacco è arrivato rotto e non so perché|La città è bella|verrò lunedì, così parliamo"),
    "Portuguese": (
        "cp1252",
        "Não consigo entrar na minha conta|O coração da história está no fim|ninguém dá informações",
    ),
    "Danish": ("cp1252", "Jeg kan ikke logge på|Vi rejser til København på lørdag|rødgrød med fløde, især nu"),
    "Icelandic": ("cp1252", "Þetta er besta kaffið í bænum|Góðan daginn, ég kem á morgun|Við förum á laugardaginn"),
    "pounds": ("cp1252", "You have won £1000 cash! Call now|only £20 for the jacket|win£100, no £s lost"),
    "euros": ("cp1252", "The fee of €50 was charged twice|It was 20€ in the sale|Delivery costs 5 €"),
    "quotes": ("cp1252", "I can’t log in – it says “wrong password”|don’t miss it…|the so-called “premium” plan"),
    "names": ("cp1252", "Björk sang in Málaga|a pâté with jalapeño|30°C ± 2 in São Paulo, on 5 m²"),
    "Polish": (
        "cp1250",
        "Zażółć gęślą jaźń|Proszę o kontakt, czekam już dwa tygodnie|Paczka przyszła późno, chciałbym ją zwrócić",
    ),
    "Czech": ("cp1250", "Děkuji za rychlé vyřízení mé objednávky|Film byl skvělý|Můžete říct, kdy přijde můj balík?"),
    "Hungarian": ("cp1250", "Az idő gyönyörű, a fű zöld|Köszönöm a gyors választ|Nem tudok belépni a fiókomba"),
    "Romanian": ("cp1250", "aş dori să returnez produsul|sfârşitul m-a dezamăgit|Mulţumesc pentru răspuns"),
    "Polish, ISO": ("iso8859_2", "Zażółć gęślą jaźń|Proszę o kontakt, czekam już|Książka leży obok łóżka"),
    "Russian": ("cp1251", "Съешь же ещё этих мягких булок|Спасибо за быстрый ответ|Не могу войти, помогите"),
    "Russian, KOI8": ("koi8_r", "съешь же ещё этих мягких булок|спасибо за быстрый ответ|не могу войти, помогите"),
    "Ukrainian": ("cp1251", "Дякую за швидку відповідь|Її сестра живе у Києві|Фільм був чудовий"),
    "Greek": ("cp1253", "Η ταινία ήταν πολύ καλή|Ευχαριστώ για τη γρήγορη απάντηση|Πού είναι το φαρμακείο;"),
    "Turkish": (
        "cp1254",
        "Hızlı cevabınız için teşekkür ederim|Film çok güzeldi ama sonu kötüydü|İstanbul'da hava güzel, değil mi?",
    ),
    "Lithuanian": (
        "cp1257",
        "Ačiū už greitą atsakymą|norėčiau grąžinti sugedusią prekę|Šiandien šalta žiema, laukiu naujos siuntos",
    ),
    "Hebrew": ("cp1255", "תודה על התשובה המהירה|איפה נמצא בית המרקחת הקרוב?|אני לא מצליח להיכנס"),
    "French, Macintosh": (
        "mac_roman",
        "l'été dernier – j’ai mangé des crêpes|où est le garçon ?|très déçu : le colis est abîmé",
    ),
    "Japanese": (
        "cp932",
        "これは日本語のテキストです。とても良い映画でした。|明日の天気はどうですか。|アカウント",
    ),
}
ENGLISH = "call me when you get home|free entry in the weekly competition|see you tomorrow at the office".split("|")


@pytest.mark.parametrize("language", TEXTS)
def test_a_text_comes_in_as_it_was_written(language: str) -> None:
    encoding, joined = TEXTS[language]
    sentences = joined.split("|")
    table = "".join(f"{sentence} {n},{'ab'[n % 2]}\n" for n in range(100) for sentence in sentences)
    rare = "".join(f"{(sentences if n % 40 == 0 else ENGLISH)[n % 3]},a\n" for n in range(400))
    for text in (sentences[0], "text,label\n" + "\n".join(sentences), f"text,label\n{table}", f"text,label\n{rare}"):
        content = text.encode(encoding)
        assert content.decode(encoding_of(content)) == text
        assert encoding_of(text.encode()) == "utf-8"


def test_stray_signs_do_not_change_the_code_page() -> None:
    rows = [f"You won £{n}, call now" if n % 40 == 7 else ENGLISH[n % 3] for n in range(5_000)]
    rows[50] = "I don‰Ûªt know åÈ10"  # what is left of a text that was decoded wrongly before
    assert encoding_of("\n".join(rows).encode("cp1252")) == "cp1252"
    content = "\n".join(rows).encode("cp1252") + b" \x9d"  # which cp1252 does not have
    assert content.decode(encoding_of(content)).count("£") == 125


def test_what_counts_is_sense() -> None:  # counted by hand
    assert explained_share("plain") <= 0
    assert explained_share("Größe") == pytest.approx(1, abs=0.01)
    assert explained_share("Gr³áe") == pytest.approx(0.5, abs=0.01), "a sign inside a word, and a letter"
    assert explained_share("Ł1000 and Ł 5") == pytest.approx(0, abs=0.01), "a letter is no sign before a number"
    assert explained_share("\x93so\x94") == pytest.approx(0, abs=0.01), "control characters"
    assert explained_share("føěd") == pytest.approx(0.5, abs=0.01), "letters of two languages"


def test_of_a_large_file_a_sample_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    content = ("Спасибо за быстрый ответ, жду новую посылку\n" * 200_000).encode("cp1251")
    judged: list[int] = []
    monkeypatch.setattr(encodings, "explained_share", lambda text: judged.append(len(text)) or explained_share(text))
    assert encoding_of(content) == "cp1251"
    assert 0 < max(judged) <= 2 * encodings.SAMPLE < len(content) / 10
