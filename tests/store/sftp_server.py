"""An SFTP server on loopback that lets anybody in: sftp_server.py FOLDER PORT."""

from __future__ import annotations

import asyncio
import sys

import asyncssh


class Anybody(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:  # noqa: ARG002  # the name that the server asks for
        return False


async def serve(folder: str, port: int) -> None:
    await asyncssh.create_server(
        Anybody,
        "127.0.0.1",
        port,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=folder),
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
