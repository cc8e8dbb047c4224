package main

const rootHelp = `keyquench finds AWS keys that leaked into a Git repository: in every commit of
every branch, in commits that were amended or deleted and are still in the object
store, in messages and tags, in the stash, in the index and in the files as they
lie there.

A key of yours has leaked? First turn it off, by keyquench or by hand:

  keyquench kill AKIA... --account NUMBER
  aws iam update-access-key --status Inactive --access-key-id AKIA... --user-name USER

Then find everything that leaked with it, and which of it still works:

  keyquench scan --verify

So that no other follows it: keyquench hook install.

Scanning changes no repository, and believes nothing that the repository's
configuration says. It runs no program, but for git where --staged meets an index
that only a newer git can read. It opens no network connection: only
--verify, verify and doctor ask AWS, and only kill, rotate, isolate and undo change
something there, in accounts that you listed.

Exit codes
  0  clean: everything was read, and nothing was found
  1  keys were found (also when something was skipped: the summary names it)
  2  the command line makes no sense
  3  not finished, or something was skipped: do not take it for clean`

const scanHelp = `Scan looks for AWS keys in PATH, by default the current directory.

What is scanned
  a directory in a repository   that repository: its whole history, and its work
                                tree (bare repositories have only the history)
  any other directory           every file below it; of repositories inside it,
                                the files, not the history
  a file                        that file
  a bundle or a pack of Git     the history that it holds
  --stdin                       what comes on standard input

History is every object of the store, each once: all branches and tags, and also
what no branch leads to any more (amended commits, dropped stashes, deleted
branches), since whoever has a copy can read it there. The work tree is the
tracked files and the untracked ones that no ignore rule hides.

Limiting history
  --range main..HEAD    what HEAD adds to main: what a pull request would bring
  --branch NAME         only what NAME leads to; may be repeated
  --since "2 weeks ago" only commits made since then; also 30d, 2026-01-31, or
                        2026-01-31T12:00:00Z

These three narrow each other, and they look at history only. A key that already
stood in the file before is counted, not reported.

Before a commit
  --staged              what the next commit would add to HEAD

It reads the index, that of GIT_INDEX_FILE in a hook, and of the staged files
those that HEAD does not have in that form at that path; of a conflict, all
sides. A key that HEAD has in the same file is counted, not reported.

A second scan
What a scan of history has read without finding anything is remembered in the
user's cache directory, keyquench/, and not read again; where something was found,
the places are, and no secret. --no-cache does without. What was remembered by
another version of keyquench or its rules does not count.

What is not reported
  a line with keyquench:allow   counted; --no-allow reports it
  --ignore FILE                 the findings that FILE names by fingerprint, one a
                                line: FINGERPRINT [until YYYY-MM-DD] [# reason].
                                A fingerprint is made of rule and key: it holds
                                wherever the key moves, and for no other key.
                                keyquench baseline writes such a file.

Rules of your own
  --rules FILE          adds rules: keyquench's own form, or a .gitleaks.toml.
                        keyquench rules test FILE checks one
  --config FILE         a keyquench.toml, with [scan] rules = ["FILE"], ignore = ["FILE"]
  --trust-repo-config   follows the keyquench.toml and .keyquenchignore of what is
                        scanned. Without it they count for nothing, as a repository
                        could silence its own leak with them

What you see
Findings go to standard output, one block a key, the oldest first: where it stands,
which commit brought it in, and whether it is still in HEAD. A key ID is no secret
and is shown in full. The secret is shown by its first four characters.

Progress, the summary and errors go to standard error. The state of a key is
"unknown" without --verify, which asks AWS. A key of an account that is known for
tripwires is called a canary.

With --format json, each line of the output is an object: a "finding" for each
key, then one "summary". A report without a summary was cut off.

Exit codes
  0  clean: everything was read, and nothing was found
  1  keys were found (also when something was skipped: the summary names it)
  2  the command line makes no sense
  3  not finished, or something was skipped: do not take it for clean`

const scanExamples = `  keyquench scan                          this repository, history and work tree
  keyquench scan --worktree               only the files that lie here
  keyquench scan --range origin/main..    what this branch would bring to main
  keyquench scan --staged                 what the next commit would add
  keyquench scan --since 30d ../service   the last month of another repository
  git diff | keyquench scan --stdin       a change that is not committed
  keyquench scan backup.bundle            the history in a bundle
  keyquench scan --format json --output leaks.json`

const explainHelp = `Explain scans like scan, and tells all there is to say about one key: the rule
that found it, what the pair of ID and secret rests on and which other secrets
came into question, what was decoded to read it, and every place and ref.

It looks where scan looks: give it the same path and the same flags. Where a
repository has not changed since the last scan, that takes no time.`

const explainExamples = `  keyquench explain 1f0a6e22b59c4d01      the beginning of a fingerprint is enough
  keyquench explain AKIAIOSFODNN7EXAMPLE ../service`

const baselineHelp = `Baseline scans like scan, and writes the fingerprints of all keys it finds to
standard output, as a list that scan --ignore reads. What is on it is known, not
harmless: deactivate those keys too.

A scan that could not read everything writes no baseline, and exits with 3.`

const baselineExamples = `  keyquench baseline > known-keys.txt
  keyquench scan --ignore known-keys.txt`

const rulesHelp = `Rules lists what keyquench looks for, explains a rule, and checks files of rules.

  keyquench rules list                     all rules; --rules FILE adds those of a file
  keyquench rules explain aws-session-token
  keyquench rules test FILE                compiles a file, says by which texts each
                                           rule is searched for, and tries its examples

FILE is keyquench's own form or a .gitleaks.toml; rules/README.md describes both.

Exit codes
  0  all is well
  1  rules test: an example is not found, or a counter-example is
  2  a file is wrong, or the command line makes no sense`

const completionHelp = `Completion writes a script that completes keyquench's commands and flags.

  bash        keyquench completion bash > /etc/bash_completion.d/keyquench
  zsh         keyquench completion zsh > "${fpath[1]}/_keyquench"
  fish        keyquench completion fish > ~/.config/fish/completions/keyquench.fish
  powershell  keyquench completion powershell | Out-String | Invoke-Expression`

const deedsHelp = `
Nothing is ever changed in an account that is not listed: --account NUMBER, or
accounts = [...] under [respond] in your own keyquench.toml (--config FILE, by
default ~/.config/keyquench/keyquench.toml; one in a repository is not read).

The plan is shown with every API call it would make. It is carried out when its
token is typed back, with --confirm TOKEN, or with --yes; --dry-run stops there.
Each call is written to the ledger before it is made (keyquench ledger), and what
came of it is read back. If the program is stopped in between, the same command
goes on where it stopped.

Who acts, in this order: the role of the key's account (--role, assumed with your
own AWS credentials), a profile (--profile), without both your own credentials,
and with --self the leaked key itself.

Exit codes
  0  it is done, or was so before
  2  the command line makes no sense, or the plan was not confirmed
  3  not done, or not certain: the error says how things are and what to do`

const killHelp = `Kill makes an access key inactive, reads that back, and asks STS until it refuses
the key three times in a row (for which it needs the secret: --secret-stdin). The
ID alone is enough to turn a key off. It also turns off CodeCommit and Bedrock
credentials, by their ID (ACCA…) or name (NAME-at-ACCOUNT).
` + deedsHelp

const killExamples = `  keyquench kill AKIAIOSFODNN7EXAMPLE --dry-run
  keyquench kill AKIAIOSFODNN7EXAMPLE --account 123456789012 --role keyquench-responder
  printf %s "$SECRET" | keyquench kill AKIAIOSFODNN7EXAMPLE --self --secret-stdin --yes`

const rotateHelp = `Rotate makes a new key for the same user, stores it, asks STS whether it works,
and turns the old one off. When storing fails or the new key does not work, the
new one is deleted again and the old one stays as it was.

A key that has leaked is turned off first: --leaked, and by itself when keyquench
found it. --grace TIME keeps the old one until it was not used for so long: run
the same command again then.

PLACE is one of
  secretsmanager:NAME[#ID_FIELD,SECRET_FIELD]
  ssm:/PATH[#ID_FIELD,SECRET_FIELD], or ssm:/PATH/ID,/PATH/SECRET
  github:OWNER/REPO[@ENVIRONMENT][:ID_NAME,SECRET_NAME], or github:ORG/
  profile:NAME       in the shared credentials file
  file:PATH          mode 0600, as .json, .env, .csv or INI by its name
` + deedsHelp

const rotateExamples = `  keyquench rotate AKIAIOSFODNN7EXAMPLE --store secretsmanager:prod/deploy --grace 24h
  keyquench rotate AKIAIOSFODNN7EXAMPLE --leaked --store github:example/app --yes`

const isolateHelp = `Isolate takes every right from whoever a key belongs to. Of a user: a policy that
denies everything is attached, all keys and credentials are turned off, and the
console login is removed. Of a session of a role (ASIA…): the role's sessions of
before now lose their rights. What cannot be revoked is said.

How everything was is in the ledger, and keyquench undo puts it back.
` + deedsHelp

const isolateExamples = `  keyquench isolate AKIAIOSFODNN7EXAMPLE --account 123456789012 --role keyquench-responder
  keyquench isolate ASIAIOSFODNN7EXAMPLE --owner role/build`

const undoHelp = `Undo puts back exactly what a case changed, from what the ledger has of before.
keyquench ledger list shows the cases. What was deleted for good stays deleted,
and the plan says so; a console login gets a new password (--password-file).

Somebody who has a leaked key can use it again after that.
` + deedsHelp

const undoExamples = `  keyquench ledger list
  keyquench undo 20261122-k3x7q2aa --dry-run`

const hookHelp = `Hook keeps keys from being committed and pushed.

  keyquench hook install            in this repository
  keyquench hook install --global   in all of yours
  keyquench hook doctor             does it really fire?

Before a commit, what is staged is scanned; before a push, what the remote does
not have yet; on a server, before a push is taken, what is new in it. No hook
needs the network. git commit --no-verify and git push --no-verify pass them by:
the GitHub Action and the scan of the whole history find what slipped through,
and then the key is to be turned off.`

const hookRunHelp = `Run is what hook scripts call: it takes the arguments, the standard input and the
environment that git gives the hook NAME, and scans what it is about.

  pre-commit, pre-merge-commit, pre-applypatch
                what the commit would add to HEAD, of the index it is made from
  pre-push      what the remote does not have yet: commits, of merges too, their
                messages, tags
  pre-receive   on a server: what a push brings that no ref leads to yet
  framework     what the pre-commit framework calls it for; by hand (pre-commit
                run --all-files), what is staged and all files of the work tree

Nothing is written when nothing was found. Exit codes: 0 go on; 1 keys were found;
3 not everything could be read. Git goes on with 0 only.`
