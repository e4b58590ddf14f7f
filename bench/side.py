"""One side of a comparison: a process that answers every line it reads with a line of JSON."""

import json
import os
import subprocess
import tempfile


class Side:
    """After the process has ended, `problem` says why and answers are empty."""

    def __init__(self, name, command, environment=None):
        self.name, self.problem = name, None
        self.errors = tempfile.TemporaryFile("w+")
        try:
            self.process = subprocess.Popen([str(word) for word in command], text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=self.errors,
                                            env={**os.environ, **(environment or {})})
        except OSError as error:
            self.process, self.problem = None, f"{command[0]} cannot be started: {error.strerror}"

    def answer(self):
        """The next line of the process."""
        line = self.process.stdout.readline() if self.problem is None else ""
        if line:
            return json.loads(line)
        if self.problem is None:
            self.errors.seek(0)
            words = self.errors.read().strip().splitlines()
            self.problem = words[-1] if words else f"ended with {self.process.wait()}"
        return {}

    def ask(self, line=""):
        if self.problem is None:
            try:
                self.process.stdin.write(line + "\n")
                self.process.stdin.flush()
            except BrokenPipeError:
                pass  # its last words are on stderr
        return self.answer()

    def finish(self):
        """Ends the process; its last line, if it says one."""
        if self.process is None:
            return {}
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        last = self.answer()
        self.process.stdout.close()
        self.process.wait()
        return last
