"""An FTP server on loopback with the user u and the password p: ftp_server.py FOLDER PORT."""

from __future__ import annotations

import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

if __name__ == "__main__":
    users = DummyAuthorizer()
    users.add_user("u", "p", sys.argv[1], perm="elradfmwMT")
    FTPHandler.authorizer = users
    FTPServer(("127.0.0.1", int(sys.argv[2])), FTPHandler).serve_forever()
