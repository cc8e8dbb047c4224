"""A repository on a server, checkouts of it as actions/checkout makes them, and act,
which runs workflows that others wrote for GitHub."""

import json
import os
import secrets
import string
import subprocess

ACTION = "keyquench/keyquench"

WORKFLOW = """
on: [push, pull_request, merge_group, schedule, workflow_dispatch]
permissions:
  contents: read
jobs:
  keyquench:
    runs-on: ubuntu-latest
    steps:
      - run: cp -a "$CHECKOUT/." .
      - id: keyquench
        uses: %s@%s
        with: %s
      - if: always()
        env:
          OUTPUTS: ${{ toJSON(steps.keyquench.outputs) }}
          OUTCOME: ${{ steps.keyquench.outcome }}
        run: printf '%%s\\n' "$OUTPUTS" >"$RESULT" && printf '%%s' "$OUTCOME" >"$RESULT.outcome"
"""


def expect(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def holds(text, part, what):
    if part not in text:
        raise AssertionError(f"{what}: {part!r} is not in\n{text}")


def pick(alphabet, count):
    return "".join(secrets.choice(alphabet) for _ in range(count))


class Key:
    """A key of the form that AWS documents, as ci/fresh makes one."""

    def __init__(self):
        letters = string.ascii_uppercase + "234567"
        self.id = "AKIA" + pick("QRSTUVWXYZ23456", 1) + pick("ABCD", 1) + pick(letters, 14)
        self.secret = pick(string.ascii_letters + string.digits + "/+", 40)

    def __str__(self):
        return f"aws_access_key_id = {self.id}\naws_secret_access_key = {self.secret}\n"


class Git:
    """The repository as GitHub has it: commits are fetched by their names."""

    def __init__(self, directory):
        self.dir = directory / "origin"
        self.env = {
            "PATH": os.environ["PATH"], "HOME": str(directory), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "dev", "GIT_AUTHOR_EMAIL": "dev@example.com", "GIT_COMMITTER_NAME": "dev", "GIT_COMMITTER_EMAIL": "dev@example.com",
        }
        self.run("init", "--quiet", "--initial-branch", "main", str(self.dir), where=directory)
        self.run("config", "uploadpack.allowAnySHA1InWant", "true")
        self.url = self.dir.as_uri()

    def run(self, *args, where=None):
        done = subprocess.run(["git", *args], cwd=where or self.dir, env=self.env, capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"git {args}: {done.stderr}")
        return done.stdout.strip()

    def commit(self, message, files):
        """Commits files, {name: text}; None deletes one."""
        for name, text in files.items():
            if text is None:
                self.run("rm", "--quiet", "--", name)
                continue
            path = self.dir / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.run("add", "--all")
        self.run("commit", "--quiet", "--allow-empty", "-m", message)
        return self.run("rev-parse", "HEAD")

    def checkout(self, directory, commit, ref):
        """What actions/checkout leaves with no inputs: one commit, a detached HEAD."""
        directory.mkdir()
        self.run("init", "--quiet", where=directory)
        self.run("remote", "add", "origin", self.url, where=directory)
        self.run("fetch", "--quiet", "--no-tags", "--depth=1", "origin", f"+{commit}:{ref}", where=directory)
        self.run("checkout", "--quiet", "--detach", ref, where=directory)
        return directory


class Act:
    """Runs the Action as a step of a job, without docker: the steps are processes
    of this machine, with this machine's tools, in a directory that act makes."""

    def __init__(self, program, action, commit, tools, directory):
        self.program, self.action, self.commit, self.tools, self.dir = program, action, commit, tools, directory
        self.count = 0
        self.hidden = []  # what must never be in a log

    def run(self, event, payload, workspace, **inputs):
        """Runs it for an event. Gives what the step set, and all that was said."""
        self.count += 1
        here = self.dir / f"run{self.count}"
        here.mkdir()
        (here / "workflow.yml").write_text(WORKFLOW % (ACTION, self.commit, json.dumps({k.replace("_", "-"): v for k, v in inputs.items()})))
        (here / "event.json").write_text(payload if isinstance(payload, str) else json.dumps(payload))
        result = here / "result"
        env = {
            # The program stands before what else is called keyquench.
            "PATH": f"{self.tools}{os.pathsep}{os.environ['PATH']}", "HOME": str(self.dir), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
        }
        command = [
            self.program, event, "--workflows", here / "workflow.yml", "--eventpath", here / "event.json",
            "--platform", "ubuntu-latest=-self-hosted", "--directory", workspace, "--env", f"CHECKOUT={workspace}",
            "--local-repository", f"{ACTION}@{self.commit}={self.action}", "--no-cache-server", "--action-offline-mode", "--pull=false",
            "--action-cache-path", self.dir / "act", "--env", f"RESULT={result}", "--secret", "GITHUB_TOKEN=",
        ]
        for name in ("GOCACHE", "GOMODCACHE", "GOPROXY"):
            if name in os.environ:
                command += ["--env", f"{name}={os.environ[name]}"]
        done = subprocess.run(command, cwd=here, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900)
        said = done.stdout + done.stderr
        for text in self.hidden:
            if text in said:
                raise AssertionError(f"a secret is in the log of {event} {inputs}")
        if not result.exists():
            raise AssertionError(f"the job did not run to its end:\n{said}")
        outputs = json.loads(result.read_text())
        outputs["outcome"] = (here / "result.outcome").read_text()
        expect(outputs["outcome"], "success" if done.returncode == 0 else "failure", f"the job of {event}, whose act ends with {done.returncode}:\n{said}")
        return outputs, said
