"""How many messages a second one MLLP connection carries, stop and wait: `python tests/bench/bench_mllp.py [SECONDS]`.

Method: the receiver is a thread-free asyncio process of its own that frames and answers each message with a fixed ACK (MSA-2
taken from MSH-10 by splitting); sender and receiver share the machine. A message has 5.6 kB, the size of 34 OBX.
The mean of the whole run is printed, and the slowest hundredth of the exchanges.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gateway.deliver.destination import Accepted, Outgoing
from gateway.deliver.destinations.mllp import MllpDestination
from gateway.settings import TlsSettings
from gateway.settings.mllp import MllpSettings
from simulators.pki import make

BODY = 5600


def message(number: int) -> Outgoing:
    """A message of 5.6 kB."""
    head = f"MSH|^~\\&|A|B|C|D|20261121101500+0100||ORU^R01^ORU_R01|B{number:019d}|P|2.6|||AL|NE\r"
    obx = "OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.150456|97|262688^MDC_DIM_PERCENT^MDC^%^%^UCUM|||||R|||20261121101500+0100\r"
    return Outgoing(f"B{number:019d}", (head + obx * 100)[:BODY].encode())


async def serve(folder: str) -> None:
    """The receiver: prints its two ports, then answers for ever."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
    context.load_verify_locations(f"{folder}/ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    for tls in (None, context):
        server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0, ssl=tls)
        print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


class Answering(asyncio.Protocol):
    """Answers each block with AA."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\x1c\r")) >= 0:
            control = self.buffer[:end].split(b"|", 10)[9]
            self.buffer = self.buffer[end + 2 :]
            self.transport.write(b"\x0bMSH|^~\\&|C|D|A|B|20261121||ACK^R01^ACK|1|P|2.6\rMSA|AA|" + control + b"\r\x1c\r")


async def measure(name: str, settings: MllpSettings, seconds: float) -> None:
    """Send for so long; print what came of it."""
    destination, took, number = MllpDestination(settings), [], 0
    begin = time.perf_counter()
    while (now := time.perf_counter()) - begin < seconds:
        number += 1
        assert isinstance(await destination.send(message(number)), Accepted)
        took.append(time.perf_counter() - now)
    total = time.perf_counter() - begin
    await destination.close()
    print(f"{name:6} {number / total:8.0f} messages/s   p99 {sorted(took)[len(took) * 99 // 100] * 1000:.2f} ms")


async def main(seconds: float) -> None:
    """Measure plain and mutual TLS."""
    with tempfile.TemporaryDirectory() as folder:
        pki = make(Path(folder))
        with subprocess.Popen([sys.executable, __file__, "serve", folder], stdout=subprocess.PIPE, text=True) as receiver:
            assert receiver.stdout is not None
            plain, secure = int(receiver.stdout.readline()), int(receiver.stdout.readline())
            tls = TlsSettings(ca=pki.ca, cert=pki.client.cert, key=str(pki.client.key))
            await measure("plain", MllpSettings(address=f"127.0.0.1:{plain}"), seconds)
            await measure("mTLS", MllpSettings(address=f"localhost:{secure}", tls=tls), seconds)
            receiver.terminate()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(sys.argv[2]))
    else:
        asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0))
