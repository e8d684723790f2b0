# The AWS CLI, started once for many calls: what it imports and reads before a call
# takes twenty times as long as the call. Each call has a process of its own, a copy of
# this one, with the words, the environment, the folder and the files of its caller.
#
#   python3 warm_cli.py SOCKET
import array
import json
import os
import signal
import socket
import sys
import traceback

from awscli.clidriver import create_clidriver

SERVICES = "secretsmanager", "ec2", "rds", "cloudformation", "lambda", "logs", "s3", "sts", "resourcegroupstaggingapi"


def answer(driver, call, files):
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.chdir(call["folder"])
    os.environ.clear()
    os.environ.update(assignment.split("=", 1) for assignment in call["environment"])
    try:
        return driver.main(call["words"])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 1


def serve(driver, listener):
    while True:
        caller, _ = listener.accept()
        text, files = b"", array.array("i")
        while not text.endswith(b"\n"):
            part, ancillary, _, _ = caller.recvmsg(1 << 16, socket.CMSG_SPACE(3 * files.itemsize))
            if not part:
                break
            text += part
            for _, _, content in ancillary:
                files.frombytes(content)
        if text and os.fork() == 0:
            status = answer(driver, json.loads(text), files)
            sys.stdout.flush()
            sys.stderr.flush()
            caller.sendall(b"%d\n" % status)
            os._exit(0)
        for file in files:
            os.close(file)
        caller.close()


signal.signal(signal.SIGCHLD, signal.SIG_IGN)
driver = create_clidriver()
driver._get_command_table()
for service in SERVICES:
    driver.session.create_client(service)
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(64)
print("ready", flush=True)
serve(driver, listener)
