"""The bench: backbones, kinds, methods, training, evaluation, store. Knows no concrete task and no experiment."""

import logging

# Messages of other packages that mean nothing here, silenced where they come from:
_NOISE = {
    "bitsandbytes.backends.cpu.ops": logging.ERROR,  # recommends a package that runs code from the hub
    "adapters.model_mixin": logging.ERROR,  # warns while an adapter is being loaded that none is active yet
    "transformers.models.llama.tokenization_llama_fast": logging.ERROR,  # says of itself that it may be ignored here
    "accelerate.utils.other": logging.ERROR,  # kernel version advice
}
for _name, _level in _NOISE.items():
    logging.getLogger(_name).setLevel(_level)
