"""Runs a Lambda function in Python on the Lambda Runtime API, unmodified.

What Lambda's own runtime would do, as far as a rotation function needs it. The
function's module is named by its path. Two things of Lambda's machine are put in
their place here: the file of certificate authorities, and the version of MySQL 9,
which a function that knows 8 at most would refuse.
"""
import importlib.util
import json
import os
import sys
import urllib.request

import pymysql

authorities = os.environ.get("SSL_CERT_FILE")
connect = pymysql.connect


def connect_here(*args, **keywords):
    if keywords.get("ssl") and authorities:
        keywords["ssl"] = {"ca": authorities}
    return connect(*args, **keywords)


pymysql.connect = connect_here

spec = importlib.util.spec_from_file_location("function", sys.argv[1])
function = importlib.util.module_from_spec(spec)
spec.loader.exec_module(function)

option = function.get_password_option
function.get_password_option = lambda version: "%s" if version.startswith("9") else option(version)

invocations = "http://%s/2018-06-01/runtime/invocation/" % os.environ["AWS_LAMBDA_RUNTIME_API"]
while True:
    with urllib.request.urlopen(invocations + "next") as answer:
        request, event = answer.headers["Lambda-Runtime-Aws-Request-Id"], json.load(answer)
    try:
        function.lambda_handler(event, None)
        path, body = "response", b"null"
    except Exception as failed:
        path, body = "error", json.dumps({"errorType": type(failed).__name__, "errorMessage": str(failed)}).encode()
    urllib.request.urlopen(urllib.request.Request(invocations + request + "/" + path, data=body)).read()
