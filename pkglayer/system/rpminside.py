"""Runs inside the sandbox: rpm's own interpreter, for scriptlets that only librpm understands.

Started by `rpmlua` with the host's Python and librpm, which lie at a private path there. It reads a
job (JSON), expands macros and header tags in the body where its flags ask for that, and then runs
it as Lua, or leaves the result to the scriptlet's own program. It imports nothing of pkglayer.
"""

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

EXPAND, QFORMAT = 1, 2
SCRIPT = Path("/var/tmp/rpm-tmp.scriptlet")

# As librpm gives them: print() goes to standard output (not into a macro's expansion), next_file()
# gives the names that set a file trigger off, the body's own arguments are `opt` and `arg`.
_LUA = r"""
print = function(...)
   local words = table.pack(...)
   for i = 1, words.n do words[i] = tostring(words[i]) end
   io.stdout:write(table.concat(words, "\t"), "\n")
end
rpm.next_file = function() return io.stdin:read("l") end
local run, problem = loadfile(SCRIPT, "t")
local done = false
if run then done, problem = pcall(run, {}, ARGUMENTS) end
if done then rpm.define("pkglayer_done 1") else io.stderr:write(tostring(problem), "\n") end
io.stdout:flush()
"""


def main(path: str) -> int:
    """Run the job in the file `path`; returns the exit code unless it becomes the program."""
    job = json.loads(Path(path).read_bytes())
    import rpm  # reads the configuration, so it wants the environment as it still is

    for name in ("PYTHONHOME", "PYTHONPATH", "RPM_CONFIGDIR"):
        os.environ.pop(name, None)
    body = _expand(rpm, job)
    if job["program"][0] == "<lua>":
        return _run_lua(rpm, job, body)
    _write(body)
    words = [*job["program"], str(SCRIPT), *map(str, job["arguments"])]
    os.execv(words[0], words)


def _expand(rpm: Any, job: dict[str, Any]) -> str:
    body: str = job["body"]
    if job["flags"] & EXPAND:
        body = rpm.expandMacro(body)
    if job["flags"] & QFORMAT:
        body = rpm.hdr(base64.b64decode(job["blob"])).format(body)
    return body


def _run_lua(rpm: Any, job: dict[str, Any], body: str) -> int:
    _write("local opt, arg = ...;" + body)
    words = [*map(_quote, job["program"]), *map(str, job["arguments"])]
    code = _LUA.replace("SCRIPT", _quote(str(SCRIPT)))
    code = code.replace("ARGUMENTS", "{" + ", ".join(words) + "}")
    if job["prefixes"]:
        code = "RPM_INSTALL_PREFIX = {" + ", ".join(map(_quote, job["prefixes"])) + "}" + code
    rpm.expandMacro("%{lua:" + code + "}")
    return 0 if rpm.expandMacro("%{?pkglayer_done}") == "1" else 1


def _write(text: str) -> None:
    SCRIPT.write_text(text, encoding="utf-8", errors="surrogateescape")


def _quote(text: str) -> str:
    """A Lua string of plain digits: no brace in it can end the macro that it lies in."""
    return '"' + "".join(f"\\{b:03d}" for b in text.encode("utf-8", "surrogateescape")) + '"'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
