"""What must be the same in several files: the inputs, in action.yml, what it hands to
the script, and the README; the way the program is built, here and for a release. And
the README's workflows are written to a directory, for others to look at.

    consistent.py ROOT COMMIT DIRECTORY

Prints the arguments of go build, as .goreleaser.yaml says, one a line."""

import pathlib
import re
import sys

import yaml


def same(got, want, what):
    if got != want:
        sys.exit(f"action: {what}: {got!r} is not {want!r}")


def inputs_and_outputs(action, readme):
    """The names, each in every place that has to know it."""
    inputs, outputs = list(action["inputs"]), list(action["outputs"])
    (step,) = action["runs"]["steps"]
    want = {"KEYQUENCH_INPUT_" + n.upper().replace("-", "_"): "${{ inputs.%s }}" % n for n in inputs}
    same(step["env"], want, "what action.yml hands to run.sh")
    if "${{" in step["run"]:
        sys.exit("action: action.yml writes a value into a script")
    for name in outputs:
        same(action["outputs"][name]["value"], "${{ steps.%s.outputs.%s }}" % (step["id"], name), f"the output {name}")
    for title, names in (("Inputs", inputs), ("Outputs", outputs)):
        section = re.search(rf"^## {title}\n(.*?)^## ", readme, re.M | re.S)[1]
        same(sorted(n for cell in re.findall(r"^\| (`[^|]*) \|", section, re.M) for n in re.findall(r"`([^`]*)`", cell)), sorted(names), f"the README's {title.lower()}")
    return inputs


def workflows(readme, inputs, commit, directory):
    """Writes the README's workflows as somebody has them who did what it says."""
    found = re.findall(r"^```yaml\n(.*?)^```$", readme, re.M | re.S)
    if len(found) < 3:
        sys.exit(f"action: the README has {len(found)} workflows, want the three that people copy")
    directory.mkdir(parents=True)
    for i, text in enumerate(found):
        text = text.replace("FULL_COMMIT_SHA", commit)
        (directory / f"example{i}.yml").write_text(text)
        for job in yaml.safe_load(text)["jobs"].values():
            for step in job["steps"]:
                if step.get("uses", "").startswith("keyquench/keyquench@"):
                    unknown = set(step.get("with", {})) - set(inputs)
                    same(unknown, set(), f"inputs of example {i} that action.yml has not")


def builds(root):
    """The flags of releases and of run.sh, and the Go that releases are built with."""
    release = yaml.safe_load((root / ".goreleaser.yaml").read_text())
    (build,) = release["builds"]
    script = (root / "action" / "run.sh").read_text()
    (line,) = re.findall(r"^\tgo build (.*) -o ", script, re.M)
    linked, name = build["ldflags"]  # a build from source has no version's name
    same(name, "-X main.released={{ .Tag }}", "how a release gets its name")
    same(line, " ".join(build["flags"]) + f" -ldflags='{linked}'", "the flags in run.sh")
    for setting in build["env"] + [s for s in release["env"] if not s.startswith("GOTOOLCHAIN=")]:
        if not re.search(rf"^\texport .*{re.escape(setting)}( |$)", script, re.M):
            sys.exit(f"action: run.sh does not set {setting}")
    (go,) = [s.removeprefix("GOTOOLCHAIN=go") for s in release["env"] if s.startswith("GOTOOLCHAIN=")]
    workflow = (root / ".github/workflows/release.yml").read_text()
    same(set(re.findall(r"go-version: (.*)", workflow)), {go}, "the Go of release.yml")
    for setting in build["env"] + build["flags"] + ["-ldflags=" + linked]:
        print(setting)


def pinned(root):
    """Every action of others is named by a commit, and says which version that is."""
    count = 0
    for path in [*root.glob(".github/workflows/*.yml"), root / "action.yml", root / "action/README.md"]:
        for uses in re.findall(r"^\s*(?:- )?uses: (.*)$", path.read_text(), re.M):
            count += 1
            if not re.fullmatch(r"\./ #.*|[\w./-]+@([0-9a-f]{40}|FULL_COMMIT_SHA) # v\d+\.\d+\.\d+", uses):
                sys.exit(f"action: {path.name}: {uses} is not pinned")
    if count == 0:
        sys.exit("action: no uses: found")


def main():
    root, commit, directory = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
    readme = (root / "action" / "README.md").read_text()
    inputs = inputs_and_outputs(yaml.safe_load((root / "action.yml").read_text()), readme)
    workflows(readme, inputs, commit, directory)
    pinned(root)
    builds(root)


main()
