"""The Action in jobs as people have them, run by nektos/act: what is found, what stops
a job, and what hostile names can do.

    journeys.py ACT ACTION TOOLS DIRECTORY

ACTION is a copy of the project, TOOLS a directory with a built keyquench, DIRECTORY
an empty one."""

import pathlib
import sys

from world import Act, Git, Key, expect, holds

ZERO = "0" * 40


def pull_request(base, head, commits, **more):
    """The parts of the event that say what it is about."""
    repository = {"full_name": "shop/shop", "name": "shop", "owner": {"login": "shop"}, "default_branch": "main", "fork": False}
    side = lambda sha, ref: {"sha": sha, "ref": ref, "label": "shop:" + ref, "repo": repository}
    return {
        "action": "synchronize", "number": 1, "repository": repository,
        "pull_request": {
            "number": 1, "title": more.get("title", "a change"), "body": more.get("body", ""), "commits": commits,
            "base": side(base, "main"), "head": side(head, more.get("branch", "feature")),
        },
    }


class Journeys:
    def __init__(self, act, git, directory):
        self.act, self.git, self.dir = act, git, directory
        self.count = 0
        self.base = git.commit("begin", {"README": "shop\n"})
        self.base = git.commit("more", {"main.py": "print('shop')\n"})

    def key(self):
        key = Key()
        self.act.hidden.append(key.secret)
        return key

    def branch(self, name):
        self.git.run("switch", "--quiet", "--create", name, self.base)

    def merge(self, head):
        """What GitHub makes of a pull request, and checks out: a merge into main."""
        self.git.run("switch", "--quiet", "--detach", self.base)
        self.git.run("merge", "--quiet", "--no-ff", "-m", "merge", head)
        return self.git.run("rev-parse", "HEAD")

    def checkout(self, commit, ref="refs/remotes/pull/1/merge"):
        self.count += 1
        return self.git.checkout(self.dir / f"workspace{self.count}", commit, ref)

    def run(self, event, payload, workspace, code, **inputs):
        outputs, said = self.act.run(event, payload, workspace, **{"install": "none"} | inputs)
        expect(outputs.get("exit-code"), str(code), f"exit code of {event} with {inputs}\n{said}\n")
        expect(outputs["outcome"], "success" if code == 0 else "failure", f"outcome of {event}\n{said}\n")
        return outputs, said

    def clean_pull_request(self):
        self.branch("clean")
        head = self.git.commit("nothing bad", {"a.py": "print(1)\n"})
        head = self.git.commit("nor here", {"b.py": "print(2)\n"})
        workspace = self.checkout(self.merge(head))
        outputs, said = self.run("pull_request", pull_request(self.base, head, 2), workspace, 0, install="source")
        expect(outputs["findings"], "0", "findings")
        expect(outputs["commits"], "2", f"commits that were read\n{said}\n")
        if int(outputs["objects"]) < 4 or int(outputs["bytes"]) < 16:
            raise AssertionError(f"it read {outputs}")

    def key_in_a_merge(self):
        """The key is in none of the commits' own changes, and in no tip any more."""
        key = self.key()
        self.branch("side")
        self.git.commit("side", {"side.py": "print(3)\n"})
        self.branch("evil")
        self.git.commit("begin of it", {"c.py": "print(4)\n"})
        self.git.run("merge", "--quiet", "--no-ff", "--no-commit", "side")
        self.git.commit("merge side", {"deploy.env": str(key)})
        head = self.git.commit("clean up", {"deploy.env": None})
        workspace = self.checkout(self.merge(head))
        outputs, said = self.run("pull_request", pull_request(self.base, head, 4), workspace, 1)
        expect(outputs["findings"], "1", "findings")
        expect(outputs["commits"], "4", "commits that were read")
        holds(said, key.id, "the log")
        holds(said, "deploy.env", "the log")
        if not pathlib.Path(outputs["sarif-file"]).read_text().count(key.id):
            raise AssertionError("the SARIF file does not have the key")
        # The same, where only live keys count, or none.
        self.run("pull_request", pull_request(self.base, head, 4), workspace, 0, fail_on="none")
        self.run("pull_request", pull_request(self.base, head, 4), workspace, 2, fail_on="live")

    def hostile_names(self):
        pwned = self.dir / "pwned"
        names = [
            f"$(touch {pwned})", f"`touch {pwned}`", f"'; touch {pwned}; '", "${{ github.token }}", "::error::x", "##[error]x",
            "a\n::set-output name=findings::0\nb", "\x1b[2J\x1b]0;x\x07", "-rf",
        ]
        self.branch("hostile")
        for name in names:
            head = self.git.commit(name, {name.replace("/", "\u2215") + ".env": str(self.key())})
        workspace = self.checkout(self.merge(head))
        for name in names:
            event = pull_request(self.base, head, len(names), branch=name, title=name, body=name)
            outputs, said = self.run("pull_request", event, workspace, 1)
            expect(outputs["findings"], str(len(names)), f"findings with the branch {name!r}")
            if pwned.exists():
                raise AssertionError(f"{name!r} was run")
            for part in ("\x1b[2J", "\x1b]0", "##[", "::error::x"):
                if part in said:
                    raise AssertionError(f"{part!r} of the repository is in the log")

    def pushes(self):
        key = self.key()
        self.branch("pushed")
        before = self.git.commit("was there", {"old.py": "print(5)\n"})
        self.git.commit("a key", {"conf/app.ini": str(key)})
        after = self.git.commit("gone again", {"conf/app.ini": None})
        repository = {"full_name": "shop/shop", "name": "shop", "default_branch": "main", "owner": {"login": "shop"}}
        event = lambda before, after, **more: {"ref": "refs/heads/pushed", "before": before, "after": after, "repository": repository} | more
        ref = "refs/remotes/origin/pushed"
        outputs, _ = self.run("push", event(before, after), self.checkout(after, ref), 1)
        expect((outputs["findings"], outputs["commits"]), ("1", "2"), "findings and commits of a push")
        outputs, _ = self.run("push", event(after, after), self.checkout(after, ref), 0)
        outputs, said = self.run("push", event(ZERO, after, created=True), self.checkout(after, ref), 1)
        expect((outputs["findings"], outputs["commits"]), ("1", "3"), f"findings and commits of a new branch\n{said}\n")
        expect(self.run("push", event(before, ZERO, deleted=True), self.checkout(after, ref), 0)[0]["outcome"], "success", "a branch is deleted")

    def whole_history(self):
        """A nightly job on a checkout of one commit gets the others itself."""
        key = self.key()
        self.branch("old")
        self.git.commit("long ago", {"old.ini": str(key)})
        self.git.commit("gone", {"old.ini": None})
        self.git.run("switch", "--quiet", "main")
        tip = self.git.run("rev-parse", "main")
        outputs, said = self.run("schedule", {"repository": {"full_name": "shop/shop", "default_branch": "main"}}, self.checkout(tip, "refs/remotes/origin/main"), 1)
        holds(said, key.id, "the log of a nightly job")

    def not_finished(self):
        """Never green: what cannot be read is exit code 3."""
        self.branch("broken")
        head = self.git.commit("x", {"x.py": "print(6)\n"})
        merged = self.merge(head)
        for payload in ({"action": "opened"}, {"pull_request": {"head": {}}}, pull_request("f" * 40, head, 1), pull_request(self.base, "--upload-pack=x", 1)):
            _, said = self.run("pull_request", payload, self.checkout(merged), 3)
            holds(said, "keyquench: try: ", f"the log with the event {payload}")
        workspace = self.checkout(merged)
        self.git.run("remote", "set-url", "origin", (self.dir / "nothing").as_uri(), where=workspace)
        self.run("pull_request", pull_request(self.base, head, 1), workspace, 3)
        empty = self.dir / "empty"
        empty.mkdir()
        self.run("pull_request", pull_request(self.base, head, 1), empty, 3)

    def wrong_inputs(self):
        workspace = self.checkout(self.base, "refs/remotes/origin/main")
        event = {"ref": "refs/heads/main", "before": ZERO, "after": self.base}
        for inputs in ({"install": "x\n::error::y"}, {"version": "v0.1.0"}, {"annotations": "perhaps"}, {"fail_on": "some"}, {"format": "$(id)"}):
            _, said = self.run("push", event, workspace, 2, **inputs)
            holds(said, "keyquench: try: ", f"the log with {inputs}")
        _, said = self.run("push", event, workspace, 3, install="binary")
        holds(said, "lists no release yet", "the log of install: binary")


def main():
    act, action, tools, directory = sys.argv[1:]
    directory = pathlib.Path(directory).resolve()
    git = Git(directory)
    runner = Act(act, action, git.run("hash-object", "--stdin", where=directory).strip(), tools, directory)
    journeys = Journeys(runner, git, directory)
    for journey in (
        journeys.clean_pull_request, journeys.key_in_a_merge, journeys.hostile_names, journeys.pushes,
        journeys.whole_history, journeys.not_finished, journeys.wrong_inputs,
    ):
        journey()
        print(f"action: {journey.__name__.replace('_', ' ')}", flush=True)
    print(f"action: {runner.count} jobs did what they should")


main()
