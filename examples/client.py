"""Drives `sessile rpc`: python3 examples/client.py [PROGRAM [DATABASE]]"""

import itertools
import json
import subprocess
import sys


class Sessile:
    def __init__(self, program="sessile", db="sessions.db"):
        self.process = subprocess.Popen(
            [program, "rpc", "--db", db], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ids = itertools.count(1)

    def __getattr__(self, method):
        def call(**params):
            request = {"jsonrpc": "2.0", "id": next(self.ids), "method": method, "params": params}
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            reply = json.loads(self.process.stdout.readline())
            if "error" in reply:
                raise RuntimeError(reply["error"]["message"])
            return reply["result"]

        return call


store = Sessile(*sys.argv[1:3])
session = store.create(cwd="/tmp/project", model="echo")["session_id"]
question = store.append_message(session=session, message={"role": "user", "content": "Why?"})["entry_id"]
store.append_message(session=session, message={"role": "assistant", "content": "Why not?"})
store.branch(session=session, entry_id=question)
store.append_message(session=session, message={"role": "assistant", "content": "Because."}, expect_leaf=question)
print(store.markdown(session=session))
