"""The journeys of a user, with the program as it is built, against moto's server.

usage: journeys.py KEYQUENCH MOTO_SERVER DIRECTORY

What came of each is read from moto itself, by boto3, and not from what keyquench
says of it. The journeys run side by side, each with users, a ledger and a home of
its own.
"""

import json
import os
import pathlib
import stat
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from deviations import Moto
from world import ACCOUNT, HOME, ROLE, UNLISTED, Journey, Key, World, expect, holds, policy

JOURNEYS = []


def journey(f):
    JOURNEYS.append(f)
    return f


def fresh(w, name, *rights):
    return w.user(w.iam, name, *rights)


@journey
def verify_live(j, w):
    key = fresh(w, "verify-live")
    v = j.verify(key, 1)
    expect((v["state"], v["account"], v["arn"], v["partition"]), ("live", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/verify-live", "aws"), "verdict")
    expect(len(v["asked"]), 1, "calls")


@journey
def verify_wrong_secret(j, w):
    key = fresh(w, "verify-wrong")
    v = j.verify(Key(key.user, key.id, "A" + key.secret[:-1] if key.secret[0] != "A" else "B" + key.secret[:-1]), 0)
    expect((v["state"], v["account"]), ("wrong-secret", ACCOUNT), "verdict")
    expect([a["code"] for a in v["asked"]], ["SignatureDoesNotMatch"] * 2, "answers")


@journey
def verify_inactive(j, w):
    key = fresh(w, "verify-inactive")
    w.iam.update_access_key(UserName=key.user, AccessKeyId=key.id, Status="Inactive")
    expect(j.verify(key, Moto.VERIFY_INACTIVE["code"])["state"], Moto.VERIFY_INACTIVE["state"], "verdict")


@journey
def verify_gone(j, w):
    key = fresh(w, "verify-gone")
    w.iam.delete_access_key(UserName=key.user, AccessKeyId=key.id)
    v = j.verify(key, 0)
    expect((v["state"], v["account"]), ("inactive-or-gone", ACCOUNT), "verdict")
    expect([(a["partition"], a["code"]) for a in v["asked"]], [(p, "InvalidClientTokenId") for p in ("aws", "aws-cn", "aws-us-gov", "aws-eusc")], "answers")
    v = j.verify(key, 0, "--partition", "aws")
    expect([a["partition"] for a in v["asked"]], ["aws"], "partitions")


@journey
def verify_session(j, w):
    key = w.session("worker")
    v = j.verify(key, 1)
    expect((v["state"], v["identity"], v["arn"]), ("live", "role", f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/session"), "verdict")
    v = j.verify(Key(None, key.id, key.secret), 3)
    expect((v["state"], v["asked"]), ("unknown", []), "verdict without a token")
    v = j.verify(Key(None, key.id, key.secret, w.session("worker").token), Moto.WRONG_TOKEN["code"])
    expect(v["state"], Moto.WRONG_TOKEN["state"], "verdict with another's token")


@journey
def scan_and_verify(j, w):
    live, gone = fresh(w, "scan-live"), fresh(w, "scan-gone")
    w.iam.delete_access_key(UserName=gone.user, AccessKeyId=gone.id)
    (j.dir / "tree").mkdir()
    for k in (live, gone):
        j.file(f"tree/{k.user}.env", f"AWS_ACCESS_KEY_ID={k.id}\nAWS_SECRET_ACCESS_KEY={k.secret}\n")
    out, err = j.run("scan", "--verify", "--format", "json", "tree", code=1)
    for k in (live, gone):
        (j.dir / f"tree/{k.user}.env").unlink()  # what was to be found is no leak of ours
    states = {f["key_id"]: f["state"] for f in map(json.loads, out.splitlines()) if f["type"] == "finding"}
    expect(states, {live.id: "live", gone.id: "inactive-or-gone"}, "states")
    holds(err, "Verified 2 keys: 1 live, 1 inactive or gone", "the summary")


@journey
def nobody_answers(j, w):
    """A server that is not there says nothing of a key."""
    key = fresh(w, "verify-nobody")
    out, err = j.run("verify", "--key-id", key.id, "--secret-env", "S", "--partition", "aws", "--aws-proxy", "http://127.0.0.1:1", code=3, env={"S": key.secret})
    holds(out, "unknown: not every partition could be asked", "the verdict")
    holds(err, "take them for live", "the next step")


@journey
def kill_by_role(j, w):
    """Across accounts, with the ID alone; a dry run first, and once more after."""
    key = fresh(w, "kill-role", policy("Deny", "iam:*"))
    plan = j.deed("kill", key.id, *j.by_role("--dry-run"))
    expect(plan["plan"]["steps"][0]["calls"], [f"iam:UpdateAccessKey UserName=kill-role AccessKeyId={key.id} Status=Inactive"], "calls")
    expect(w.keys(key.user), {key.id: "Active"}, "keys after the dry run")
    did = j.deed("kill", key.id, *j.by_role())
    expect((did["outcome"]["state"], did["plan"]["owner"]["user"]), ("inactive", key.user), "outcome")
    expect(w.keys(key.user), {key.id: "Inactive"}, "keys")
    holds(did["outcome"]["alive"]["unread"][0], Moto.UNREAD, "what is not known")
    holds(str(did["outcome"]["alive"]["things"]), "rights-0", "what is still there")
    again = j.deed("kill", key.id, *j.by_role())
    expect((again["plan"]["steps"], again["outcome"]["already"]), (None, True), "the second time")
    expect((j.record(key.id, "intent"), j.record(key.id, "done")), (1, 1), "entries")
    back = j.deed(*j.undo(did["plan"]["case"]))
    expect((back["outcome"]["state"], w.keys(key.user)), ("undone", {key.id: "Active"}), "after undo")


@journey
def kill_by_profile(j, w):
    key = fresh(w, "kill-profile")
    name = j.file("credentials", f"[breakglass]\naws_access_key_id = {w.admin.id}\naws_secret_access_key = {w.admin.secret}\n")
    env = {"AWS_SHARED_CREDENTIALS_FILE": name, "S": key.secret}
    did = j.deed("kill", key.id, *j.flags("--profile", "breakglass", "--secret-env", "S"), code=Moto.KILLED["code"], error=Moto.KILLED["error"], env=env)
    os.unlink(name)
    expect((did["outcome"]["state"], did["plan"]["actor"]), (Moto.KILLED["state"], "profile breakglass"), "outcome")
    expect(w.keys(key.user), {key.id: "Inactive"}, "keys")


@journey
def kill_by_own_credentials(j, w):
    """STS is played here: it refuses the key when IAM shows it as inactive."""
    key = fresh(w, "kill-own")
    started = j.start("kill", key.id, *j.flags("--secret-env", "S", "--wait", "60s"), env=w.admin.env() | {"S": key.secret})
    while w.keys(key.user) != {key.id: "Inactive"}:
        expect(started[0].poll(), None, "the exit before the key was inactive")
        time.sleep(0.05)
    while '"kind":"outcome"' not in j.run("ledger", "show", key.id, "--ledger", str(j.ledger), "--format", "json")[0]:
        expect(started[0].poll(), None, "the exit before the outcome was written")
        time.sleep(0.05)
    w.iam.delete_access_key(UserName=key.user, AccessKeyId=key.id)
    did = json.loads(j.end(started, 0)[0])
    expect((did["outcome"]["state"], did["plan"]["actor"]), ("dead", "your own credentials"), "outcome")
    holds(did["outcome"]["sts"], "refused 3 times in a row (InvalidClientTokenId)", "what STS said")


@journey
def kill_by_itself(j, w):
    key = fresh(w, "kill-self", policy("Allow", "iam:UpdateAccessKey"))
    did = j.deed("kill", key.id, *j.flags("--self", "--secret-env", "S"), code=Moto.KILLED["code"], error=Moto.KILLED["error"], env={"S": key.secret})
    expect((did["outcome"]["state"], did["plan"]["actor"]), (Moto.KILLED["state"], "the leaked key itself"), "outcome")
    expect(w.keys(key.user), {key.id: "Inactive"}, "keys")
    # Not under AWS's quarantine, and not without a right to it.
    for name, rights in (("kill-quarantined", [policy("Allow", "*"), policy("Deny", "iam:UpdateAccessKey")]), ("kill-poor", [])):
        key = fresh(w, name, *rights)
        j.deed("kill", key.id, *j.flags("--self", "--secret-env", "S"), code=3, error="may not turn itself off", env={"S": key.secret})
        expect(w.keys(key.user), {key.id: "Active"}, "keys")


@journey
def kill_by_two_at_once(j, w):
    key = fresh(w, "kill-two")
    both = [j.start("kill", key.id, *j.by_role(), env=w.operator.env()) for _ in range(2)]
    states = [json.loads(j.end(p, 0)[0])["outcome"]["state"] for p in both]
    expect(states, ["inactive", "inactive"], "states")
    expect(w.keys(key.user), {key.id: "Inactive"}, "keys")
    expect((j.record(key.id, "intent"), j.record(key.id, "done")), (1, 1), "entries")


@journey
def kill_is_refused(j, w):
    """An account that is not listed, a role that is not there, a key that is
    nobody's: a reason, and nothing was changed."""
    key = w.user(w.elsewhere, "kill-unlisted")
    j.refused("kill", key.id, *j.by_role(), error=f"account {UNLISTED} is not one of those in which keyquench may change anything")
    expect(w.keys(key.user, w.elsewhere), {key.id: "Active"}, "keys")
    key = fresh(w, "kill-wrong-role")
    j.refused("kill", key.id, *j.flags("--role", "nobody"), error=Moto.WRONG_ROLE)
    j.refused("kill", key.id, *j.flags(), error="it belongs to account " + HOME)
    j.refused("kill", key.id, *j.by_role("--owner", "user/admin"), error="belongs to user kill-wrong-role, not to user admin")
    j.refused("kill", key.id, *j.by_role(), error="find your AWS credentials", env={})
    expect(w.keys(key.user), {key.id: "Active"}, "keys")
    w.iam.delete_access_key(UserName=key.user, AccessKeyId=key.id)
    j.refused("kill", key.id, *j.by_role(), error="iam:GetAccessKeyLastUsed")


def rotated(w, key, did, new):
    """The old key is off, and the new one is in use."""
    expect(did["outcome"]["state"], "rotated", "outcome")
    expect(did["outcome"]["new_key"], new[0], "the new key")
    expect(w.keys(key.user), {key.id: "Inactive", new[0]: "Active"}, "keys")
    w.works(*new, key.user)


@journey
def rotate_into_secrets_manager(j, w):
    key = fresh(w, "rotate-vault")
    old = json.dumps({"aws_access_key_id": key.id, "aws_secret_access_key": key.secret, "other": "kept"})
    w.vault.create_secret(Name="vault/pair", SecretString=old)

    def stored():
        return json.loads(w.vault.get_secret_value(SecretId="vault/pair", **Moto.CURRENT)["SecretString"])

    did = j.deed("rotate", key.id, *j.by_role("--store", "secretsmanager:vault/pair"))
    now = stored()
    rotated(w, key, did, (now["aws_access_key_id"], now["aws_secret_access_key"]))
    expect(now["other"], "kept", "the rest of the secret")
    back = j.deed(*j.undo(did["plan"]["case"]))
    expect(back["outcome"]["state"], "undone", "outcome")
    expect(stored(), json.loads(old), "the secret after undo")
    expect(w.keys(key.user), {key.id: "Active", now["aws_access_key_id"]: "Inactive"}, "keys after undo")


@journey
def rotate_into_parameters(j, w):
    key = fresh(w, "rotate-ssm")
    for name, value in (("id", key.id), ("secret", key.secret)):
        w.parameters.put_parameter(Name=f"/pair/{name}", Value=value, Type="SecureString")
    did = j.deed("rotate", key.id, *j.by_role("--store", "ssm:/pair/id,/pair/secret"))
    now = [w.parameters.get_parameter(Name=f"/pair/{n}", WithDecryption=True)["Parameter"] for n in ("id", "secret")]
    expect([p["Type"] for p in now], ["SecureString"] * 2, "types")
    rotated(w, key, did, [p["Value"] for p in now])


@journey
def rotate_into_a_new_parameter(j, w):
    """It is made, and undo takes it away again."""
    key = fresh(w, "rotate-new")
    did = j.deed("rotate", key.id, *j.by_role("--store", "ssm:/new/pair"))
    now = w.parameters.get_parameter(Name="/new/pair", WithDecryption=True)["Parameter"]
    expect(now["Type"], "SecureString", "type")
    pair = json.loads(now["Value"])
    rotated(w, key, did, (pair["aws_access_key_id"], pair["aws_secret_access_key"]))
    back = j.deed(*j.undo(did["plan"]["case"]))
    expect(back["outcome"]["state"], "undone", "outcome")
    expect(w.parameters.get_parameters(Names=["/new/pair"])["InvalidParameters"], ["/new/pair"], "what is not there")
    expect(w.keys(key.user), {key.id: "Active", pair["aws_access_key_id"]: "Inactive"}, "keys after undo")


@journey
def rotate_into_files(j, w):
    """A profile and a file at once, as a leaked key: it is turned off first."""
    key = fresh(w, "rotate-files")
    profiles = j.file("credentials", "[other]\nregion = eu-central-1\n")
    env = w.operator.env() | {"AWS_SHARED_CREDENTIALS_FILE": profiles}
    did = j.deed("rotate", key.id, *j.by_role("--leaked", "--store", "profile:build", "--store", "file:pair.json"), env=env)
    expect(did["plan"]["steps"][0]["op"], "key-status", "the first step")
    pair = j.dir / "pair.json"
    expect(stat.S_IMODE(pair.stat().st_mode), 0o600, "mode")
    now, text = json.loads(pair.read_text()), pathlib.Path(profiles).read_text()
    holds(text, "[other]\nregion = eu-central-1\n", "the profiles")
    holds(text, now["aws_secret_access_key"], "the profiles")
    pair.unlink()
    os.unlink(profiles)
    # Here moto's deny knows no condition, but GetCallerIdentity is always allowed.
    rotated(w, key, did, (now["aws_access_key_id"], now["aws_secret_access_key"]))
    holds(str(w.rights(key.user)["policies"]["keyquench-revoke-sessions"]), "aws:TokenIssueTime", "the policy")


@journey
def rotate_with_two_keys(j, w):
    key = fresh(w, "rotate-two")
    other = w.key(w.iam, key.user)
    err = j.refused("rotate", key.id, *j.by_role("--store", "file:pair.json"), error="has two keys, which is all it can have")
    holds(err, other.id, "the choice")
    expect(w.keys(key.user), {key.id: "Active", other.id: "Active"}, "keys")
    did = j.deed("rotate", key.id, *j.by_role("--store", "file:pair.json", "--delete", other.id))
    now = json.loads((j.dir / "pair.json").read_text())
    (j.dir / "pair.json").unlink()
    rotated(w, key, did, (now["aws_access_key_id"], now["aws_secret_access_key"]))


@journey
def rotate_into_nothing(j, w):
    """A store that is not there: all is as it was."""
    key = fresh(w, "rotate-nothing")
    for place, step in (("secretsmanager:not/there", "try: make it first"), ("file:no/such/folder/pair.json", "keyquench: try: ")):
        j.refused("rotate", key.id, *j.by_role("--store", place), error=step)
        expect(w.keys(key.user), {key.id: "Active"}, f"keys after {place}")
    expect(j.run("ledger", "list", "--ledger", str(j.ledger), "--format", "json")[0], "", "cases")


@journey
def isolate_and_undo(j, w):
    key = fresh(w, "isolate", policy("Allow", "s3:*"))
    second, third = w.key(w.iam, key.user), "isolate-other"
    w.iam.update_access_key(UserName=key.user, AccessKeyId=second.id, Status="Inactive")
    w.iam.create_login_profile(UserName=key.user, Password="Correct-horse-1")
    fresh(w, third)
    before, bystander = w.rights(key.user), w.rights(third)
    did = j.deed("isolate", key.id, *j.by_role(), code=Moto.ISOLATED["code"], error=Moto.ISOLATED["error"])
    expect(did["outcome"]["state"], "isolated", "outcome")
    now = w.rights(key.user)
    expect(now["keys"], {key.id: "Inactive", second.id: "Inactive"}, "keys")
    expect(now["login"], None, "login")
    expect(now["policies"].pop("keyquench-isolate")["Statement"], [{"Sid": "KeyquenchIsolate", "Effect": "Deny", "Action": "*", "Resource": "*"}], "the policy")
    expect(now["policies"], before["policies"], "the other policies")
    undo = j.undo(did["plan"]["case"])
    j.refused(*undo, error="its password cannot be read")
    back = j.deed(*undo, "--password-file", "password")
    expect(back["outcome"]["state"], "undone", "outcome")
    expect(w.rights(key.user), before, "what the user has")
    expect(w.rights(third), bystander, "what another user has")
    password = j.dir / "password"
    expect(stat.S_IMODE(password.stat().st_mode), 0o600, "mode")
    w.keep(password.read_text().splitlines()[0])
    password.unlink()
    again = j.deed(*undo)
    expect((again["outcome"]["state"], again["outcome"]["already"]), ("undone", True), "outcome of another undo")


@journey
def isolate_a_session(j, w):
    key = w.session("worker")
    env = w.operator.env() | {"S": key.secret, "T": key.token}
    did = j.deed("isolate", key.id, *j.by_role("--secret-env", "S", "--token-env", "T"), env=env)
    expect((did["outcome"]["state"], did["plan"]["owner"]["role"]), ("isolated", "worker"), "outcome")
    expect(w.iam.list_role_policies(RoleName="worker")["PolicyNames"], ["rights", "AWSRevokeOlderSessions"], "policies")
    j.deed(*j.undo(did["plan"]["case"]))
    expect(w.iam.list_role_policies(RoleName="worker")["PolicyNames"], ["rights"], "policies after undo")


def travel(f, world, keyquench, directory):
    """Runs one journey; gives its name, how long it took and what went wrong."""
    directory = directory / f.__name__
    directory.mkdir()
    j, begun, trouble = Journey(world, keyquench, directory), time.monotonic(), ""
    try:
        f(j, world)
        if j.ledger.exists():
            j.run("ledger", "verify", "--ledger", str(j.ledger))
    except Exception:
        trouble = traceback.format_exc()
    return f.__name__, time.monotonic() - begun, trouble


def written(world, directory):
    """Files in which a secret stands. The log of the server is not ours."""
    for path in directory.rglob("*"):
        if path.is_file() and path != world.log:
            text = path.read_bytes()
            if any(s.encode() in text for s in world.secrets):
                yield path


def main(keyquench, server, directory):
    for name in [v for v in os.environ if v.startswith("AWS_")]:
        del os.environ[name]  # boto3 would follow it
    directory = pathlib.Path(directory)
    world = World(server, directory)
    try:
        world.build()
        # They wait for answers, not for the processor.
        with ThreadPoolExecutor(8) as pool:
            ends = list(pool.map(lambda f: travel(f, world, keyquench, directory), JOURNEYS))
    finally:
        world.close()
    failed = 0
    for name, seconds, trouble in ends:
        if trouble:
            failed += 1
            for secret in world.secrets:
                trouble = trouble.replace(secret, "(secret)")
            print(f"moto: {name}, after {seconds:.1f} s:\n{trouble}", file=sys.stderr)
    for path in written(world, directory):
        failed += 1
        print(f"moto: a secret stands in {path}", file=sys.stderr)
    if failed:
        return 1
    print(f"moto: {len(ends)} journeys, the longest {max(s for _, s, _ in ends):.0f} s; {len(world.secrets)} secrets, written nowhere")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
