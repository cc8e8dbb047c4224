"""The accounts in moto that journeys go through, and who goes there."""

import json
import os
import pathlib
import re
import subprocess
import threading
import time

import boto3
from botocore.config import Config

from deviations import Moto

HOME, ACCOUNT, UNLISTED = "210987654321", "123456789012", "345678901234"
ROLE, EXTERNAL_ID = "keyquench-responder", "ext-1"


def expect(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def holds(text, part, what):
    if part not in text:
        raise AssertionError(f"{what}: {part!r} is not in {text!r}")


def policy(effect, *actions):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": list(actions), "Resource": "*"}]})


class Key:
    def __init__(self, user, id, secret, token=None):
        self.user, self.id, self.secret, self.token = user, id, secret, token

    def env(self):
        env = {"AWS_ACCESS_KEY_ID": self.id, "AWS_SECRET_ACCESS_KEY": self.secret}
        return env | ({"AWS_SESSION_TOKEN": self.token} if self.token else {})


class World:
    """moto's server, with an operator in one account, who may take a role in
    another. Everything that journeys need is there before auth is switched on."""

    def __init__(self, server, directory):
        self.log = directory / "moto.log"
        self.secrets = set()
        with open(self.log, "wb") as log:
            # Alone, so that no variable of this machine tells it what to be.
            self.process = subprocess.Popen([server, "-H", "127.0.0.1", "-p", "0"], stdout=log, stderr=log, env={"PATH": os.environ["PATH"]})

    def build(self):
        self.url = self.address()
        setup = {a: self.client("iam", Key(None, "setup", "setup"), account=a) for a in (HOME, ACCOUNT, UNLISTED)}
        self.operator = self.user(setup[HOME], "oncall", policy("Allow", "sts:*", "secretsmanager:*", "ssm:*"))
        self.admin = self.user(setup[ACCOUNT], "admin", policy("Allow", "*"))
        stranger = self.user(setup[UNLISTED], "admin", policy("Allow", "*"))
        for role, rights in ((ROLE, policy("Allow", "iam:*")), ("worker", policy("Allow", "s3:*"))):
            trust = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{HOME}:root"}, "Action": "sts:AssumeRole"}]})
            setup[ACCOUNT].create_role(RoleName=role, AssumeRolePolicyDocument=trust)
            setup[ACCOUNT].put_role_policy(RoleName=role, PolicyName="rights", PolicyDocument=rights)
        Moto.switch_auth(self.url, True)
        self.iam, self.elsewhere = self.client("iam", self.admin), self.client("iam", stranger)
        self.vault, self.parameters = self.client("secretsmanager", self.operator), self.client("ssm", self.operator)
        self.sts = self.client("sts", self.operator)

    def address(self):
        """Waits until the server says where it is: it takes a free port itself."""
        for _ in range(300):
            if found := re.search(r"http://127\.0\.0\.1:[0-9]+", self.log.read_text()):
                return found[0]
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError("moto did not start: " + self.log.read_text())

    def close(self):
        self.process.terminate()
        self.process.wait(10)

    def client(self, service, key, account=None):
        c = boto3.session.Session().client(
            service, endpoint_url=self.url, region_name="us-east-1",
            aws_access_key_id=key.id, aws_secret_access_key=key.secret, aws_session_token=key.token,
            config=Config(proxies={}, retries={"total_max_attempts": 1}, max_pool_connections=20))
        if account:
            c.meta.events.register("before-sign.*.*", lambda request, **_: request.headers.add_header("x-moto-account-id", account))
        return c

    def keep(self, *secrets):
        """Remembers what must not be written anywhere."""
        self.secrets.update(s for s in secrets if s)

    def user(self, iam, name, *rights):
        iam.create_user(UserName=name)
        for i, document in enumerate(rights):
            iam.put_user_policy(UserName=name, PolicyName=f"rights-{i}", PolicyDocument=document)
        return self.key(iam, name)

    def key(self, iam, user):
        made = iam.create_access_key(UserName=user)["AccessKey"]
        self.keep(made["SecretAccessKey"])
        return Key(user, made["AccessKeyId"], made["SecretAccessKey"])

    def session(self, role):
        arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
        made = self.sts.assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
        self.keep(made["SecretAccessKey"], made["SessionToken"])
        return Key(None, made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])

    def keys(self, user, iam=None):
        """moto's own view of a user's keys."""
        listed = (iam or self.iam).list_access_keys(UserName=user)["AccessKeyMetadata"]
        return {k["AccessKeyId"]: k["Status"] for k in listed}

    def rights(self, user):
        """moto's own view of what else a user has."""
        inline = self.iam.list_user_policies(UserName=user)["PolicyNames"]
        documents = {n: self.iam.get_user_policy(UserName=user, PolicyName=n)["PolicyDocument"] for n in inline}
        try:
            login = self.iam.get_login_profile(UserName=user)["LoginProfile"]["UserName"]
        except self.iam.exceptions.NoSuchEntityException:
            login = None
        return {"keys": self.keys(user), "policies": documents, "login": login}

    def works(self, id, secret, user):
        """The pair is one that moto takes, of this user."""
        self.keep(secret)
        who = self.client("sts", Key(user, id, secret)).get_caller_identity()
        expect(who["Arn"], f"arn:aws:iam::{ACCOUNT}:user/{user}", "whose the new key is")


class Journey:
    """One user at one machine: runs the program, and keeps what it wrote."""

    # What a hostile build machine sets. None of it may change anything.
    HOSTILE = {v: "http://127.0.0.1:1" for v in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_IAM", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY")}

    def __init__(self, world, keyquench, directory):
        self.world, self.program, self.dir = world, keyquench, directory
        self.ledger = directory / "ledger.db"
        self.runs = 0
        self.lock = threading.Lock()

    def file(self, name, text):
        path = self.dir / name
        path.write_text(text)
        return str(path)

    def start(self, *args, env=None):
        if args[0] != "ledger":
            args += ("--aws-endpoint", self.world.url)
        environment = self.HOSTILE | {"HOME": str(self.dir), "PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true"} | (env or {})
        with self.lock:
            self.runs += 1
            name = self.dir / f"run-{self.runs:02}"
        with open(f"{name}.out", "wb") as out, open(f"{name}.err", "wb") as err:
            p = subprocess.Popen([self.program, *args], env=environment, cwd=self.dir, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        return p, name, args

    def end(self, started, code):
        p, name, args = started
        p.wait(100)
        out, err = pathlib.Path(f"{name}.out").read_text(), pathlib.Path(f"{name}.err").read_text()
        if p.returncode != code:
            raise AssertionError(f"keyquench {' '.join(args)}: exit {p.returncode}, want {code}\n{out}{err}")
        return out, err

    def run(self, *args, code=0, env=None):
        return self.end(self.start(*args, env=env), code)

    def verify(self, key, code, *args):
        """Gives the verdict, as JSON has it."""
        env = {"S": key.secret} | ({"T": key.token} if key.token else {})
        args += ("--token-env", "T") if key.token else ()
        out, _ = self.run("verify", "--key-id", key.id, "--secret-env", "S", "--format", "json", *args, code=code, env=env)
        return json.loads(out)

    def flags(self, *more):
        return ("--account", ACCOUNT, "--account", HOME, "--ledger", str(self.ledger), "--yes", "--format", "json", "--wait", "2s", *more)

    def by_role(self, *more):
        return self.flags("--role", ROLE, "--external-id", EXTERNAL_ID, *more)

    def undo(self, case):
        return ("undo", case, "--account", ACCOUNT, "--ledger", str(self.ledger), "--yes", "--format", "json", "--role", ROLE, "--external-id", EXTERNAL_ID)

    def deed(self, *args, code=0, error="", env=None):
        """Gives plan and outcome. Without an env the operator acts."""
        out, err = self.run(*args, code=code, env=self.world.operator.env() if env is None else env)
        holds(err, error, "the error")
        return json.loads(out) if out else {}

    def refused(self, *args, error, env=None):
        """Nothing was planned, and the error is followed by a next step."""
        out, err = self.run(*args, code=3, env=self.world.operator.env() if env is None else env)
        expect(out, "", "what was written")
        holds(err, error, "the error")
        holds(err, "keyquench: try: ", "the next step")
        return err

    def record(self, key_id, kind):
        """How many entries of a kind the ledger has of a key."""
        out, _ = self.run("ledger", "show", key_id, "--ledger", str(self.ledger), "--format", "json")
        return sum(json.loads(line)["kind"] == kind for line in out.splitlines())
