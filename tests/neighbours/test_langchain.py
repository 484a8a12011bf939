"""LangChain's models for OpenAI ask the server: invoked, streamed and in batches, chats and completions."""

from __future__ import annotations

import json

import pytest

from tests.neighbours.compared import Compared, keep
from tests.neighbours.environments import environment
from tests.served import chatting_workspace, opened_by_task, own_answer, serving

pytestmark = pytest.mark.neighbour

TEXTS = ["the cat often", "a plum", "this very sheep quite", "one"]
TASK = "copying"
ASKS = """
import json, sys
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI, OpenAI

url, task, texts = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
common = dict(model=task, base_url=f"{url}/v1", api_key="none", max_retries=0)  # waits as long as the client does
plain = ChatOpenAI(**common)
full = ChatOpenAI(**common, temperature=0, seed=1, n=1, presence_penalty=0, frequency_penalty=0, max_tokens=4, top_p=1)
said = {
    "invoked": [plain.invoke(text).content for text in texts],
    "with all fields": [full.invoke(text).content for text in texts],
    "streamed": ["".join(part.content for part in plain.stream(text)) for text in texts],
    "batched": [answer.content for answer in plain.batch(texts)],
    "turns": [
        plain.invoke([SystemMessage("very"), HumanMessage("one"), AIMessage("cow"), HumanMessage(text)]).content
        for text in texts
    ],
    "tokens": [plain.invoke(text).usage_metadata["total_tokens"] for text in texts],
}
older = OpenAI(**common, temperature=0, max_tokens=4)
said["completed"] = [older.invoke(text) for text in texts]
said["completed in parts"] = ["".join(older.stream(text)) for text in texts]
said["completed together"] = [generation[0].text for generation in older.generate(texts).generations]
print(json.dumps(said))
"""


def test_langchain_s_answers_are_those_of_predict(tmp_path_factory: pytest.TempPathFactory) -> None:
    workspace = chatting_workspace(tmp_path_factory.mktemp("asked"), [TASK])
    langchain = environment("langchain-openai", "langchain-openai==1.8.1")
    with serving("workbench serve", workspace) as server:
        said = json.loads(langchain.run(ASKS, server.url, TASK, json.dumps(TEXTS)))
    opened = opened_by_task(workspace)[TASK]
    expected = [own_answer(opened, text) for text in TEXTS]
    for asked in ("invoked", "with all fields", "streamed", "batched"):
        assert said[asked] == expected, asked
    roles = [("system", "very"), ("user", "one"), ("assistant", "cow")]
    turns = tuple({"role": role, "content": content} for role, content in roles)
    assert said["turns"] == [own_answer(opened, text, earlier=turns) for text in TEXTS]
    assert all(said["tokens"])
    assert said["completed"] == said["completed in parts"] == said["completed together"]
    cases = sum(len(answers) for asked, answers in said.items() if asked != "tokens")
    what = "answers of chats and completions, whole, streamed and in batches"
    keep(Compared("langchain-openai", langchain.version("langchain-openai"), "asks", what, cases, None))
