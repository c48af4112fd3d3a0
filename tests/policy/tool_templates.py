"""Chat templates that take tools, in the manner of Qwen2.5, Qwen3 and Llama 3.1, with small tokenizers made here.

Written anew from what those templates do: where the tools stand, how calls and results are written, what becomes of
the thinking of earlier turns. SmolLM2's takes none (`tokenizers_of`).
"""

from __future__ import annotations

from tests.policy.tokenizers_of import Made, byte_level, ids_of, smollm2

_CALLS = """{% for c in m.tool_calls %}{{ '\\n' }}<tool_call>
{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}
</tool_call>{% endfor %}"""

_RESULT = """{% if loop.index0 == 0 or messages[loop.index0 - 1].role != 'tool' %}<|im_start|>user{% endif %}\
{{ '\\n' }}<tool_response>
{{ m.content }}
</tool_response>{% if loop.last or messages[loop.index0 + 1].role != 'tool' %}<|im_end|>
{% endif %}"""


def _qwen(said: str, default: str) -> str:
    """`said` is the assistant's content as the template shows it; `default` the system message where there is none."""
    return (
        "{% set own = messages[0].content if messages[0].role == 'system' else " + repr(default) + " %}"
        "{% if tools %}<|im_start|>system\n{{ own }}\n\n# Tools\n<tools>{# jinja drops a line end behind a tag #}"
        "{% for t in tools %}{{ '\\n' }}{{ t | tojson }}"
        "{% endfor %}\n</tools>\nReturn calls within <tool_call></tool_call>.<|im_end|>\n"
        "{% elif own %}<|im_start|>system\n{{ own }}<|im_end|>\n{% endif %}"
        "{% for m in messages %}{% if m.role == 'user' or (m.role == 'system' and not loop.first) %}"
        "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
        "{% elif m.role == 'assistant' %}<|im_start|>assistant{% if m.content %}{{ '\\n' }}" + said + "{% endif %}"
        + _CALLS + "<|im_end|>\n{% elif m.role == 'tool' %}" + _RESULT + "{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )  # fmt: skip


# Of answers before the last question of the user only what follows the thinking is shown.
_QWEN3_SAID = (
    "{% set ns = namespace(last=0) %}{% for x in messages %}{% if x.role == 'user' %}{% set ns.last = loop.index0 %}"
    "{% endif %}{% endfor %}{{ m.content if loop.index0 > ns.last else m.content.split('</think>')[-1].lstrip('\\n') }}"
)

_LLAMA = """{{ '<|begin_of_text|>' }}{% if messages[0].role == 'system' %}{% set told = messages[0].content | trim %}\
{% set messages = messages[1:] %}{% else %}{% set told = '' %}{% endif %}<|start_header_id|>system<|end_header_id|>

{% if tools %}Environment: ipython
{% endif %}Today Date: {{ date_string }}

{{ told }}<|eot_id|>{% if tools %}<|start_header_id|>user<|end_header_id|>

Given the following functions, answer with a JSON for a call of one of them.

{% for t in tools %}{{ t | tojson(indent=4) }}

{% endfor %}{{ messages[0].content | trim }}<|eot_id|>{% set messages = messages[1:] %}{% endif %}\
{% for m in messages %}{% if m.role == 'tool' %}<|start_header_id|>ipython<|end_header_id|>

{{ m.content | tojson }}<|eot_id|>{% elif m.tool_calls %}{% if m.tool_calls | length != 1 %}\
{{ raise_exception('one call a turn') }}{% endif %}<|start_header_id|>assistant<|end_header_id|>

{"name": "{{ m.tool_calls[0].function.name }}", "parameters": {{ m.tool_calls[0].function.arguments | tojson }}}\
<|eot_id|>{% else %}<|start_header_id|>{{ m.role }}<|end_header_id|>

{{ m.content | trim }}<|eot_id|>{% endif %}{% endfor %}{% if add_generation_prompt %}\
<|start_header_id|>assistant<|end_header_id|>

{% endif %}"""

_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def qwen25() -> Made:
    template = _qwen("{{ m.content }}", "You are Qwen.")
    made = byte_level(_SPECIAL, ["<tool_call>", "</tool_call>"], "<|im_end|>", template)
    return Made(made, ids_of(made, "<|im_end|>", "<|endoftext|>"))


def qwen3() -> Made:
    words = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]
    made = byte_level(_SPECIAL, words, "<|im_end|>", _qwen(_QWEN3_SAID, ""))
    return Made(made, ids_of(made, "<|im_end|>", "<|endoftext|>"))


def llama31() -> Made:
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|python_tag|>"]
    made = byte_level([*special, "<|eom_id|>", "<|eot_id|>"], [], "<|eot_id|>", _LLAMA)
    return Made(made, ids_of(made, "<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"))


NATIVE = {"qwen2.5": qwen25, "qwen3": qwen3, "llama3": llama31}
FOUR = {**NATIVE, "smollm2": smollm2}
