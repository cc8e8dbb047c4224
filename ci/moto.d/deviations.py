"""Where moto (5.2.5) is not as AWS is. It is the one place that knows of it."""

import urllib.request


class Moto:
    """Where moto is not as AWS is, and what a journey then ends with. Nothing
    else in this file knows of it."""

    # An inactive key still authenticates; AWS refuses it (InvalidClientTokenId).
    # So keyquench has to call it live, and to say that a kill was not seen by STS.
    VERIFY_INACTIVE = {"code": 1, "state": "live"}
    KILLED = {"code": 3, "state": "inactive", "error": "STS has not refused it 3 times in a row"}

    # The API of service-specific credentials is missing (500, a page of HTML).
    # A kill says that it does not know them; so does an isolation, which is then
    # not finished by its exit code, though everything else was done.
    UNREAD = "iam:ListServiceSpecificCredentials: HTTP 500"
    ISOLATED = {"code": 3, "error": UNREAD}

    # AssumeRole into another account asks neither whether the role exists nor its
    # trust policy: the session it gives may do nothing. AWS refuses AssumeRole.
    WRONG_ROLE = "iam:GetAccessKeyLastUsed: "

    # A token that is not the key's own is looked for as a user's key: the words
    # are those of AWS (InvalidClientTokenId), by chance.
    WRONG_TOKEN = {"code": 3, "state": "unknown"}

    # GetSecretValue without a stage gives the version that was the first, whatever
    # stages were moved since. With AWS that is the one that is AWSCURRENT.
    CURRENT = {"VersionStage": "AWSCURRENT"}

    # Resource and Condition of policies are not looked at: the rights of a user
    # here are by action alone, and the deny that ends older sessions after a leak
    # would stop the user's new key too. AWS's own test of it is not possible here.
    # The fixed credentials of GetSessionToken are no session, so sessions here are
    # of roles. Nothing expires, and no clock is compared.

    @staticmethod
    def switch_auth(url, on):
        """Both for the whole server at once; moto wants the text to be plain."""
        body = b"0" if on else b"inf"
        request = urllib.request.Request(url + "/moto-api/reset-auth", body, {"Content-Type": "text/plain"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            assert answer.status == 200, answer.status
