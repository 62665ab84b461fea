"""Whatever a peer sends, in whatever pieces: `send` answers with an outcome, and takes nothing but an answer to its message."""

import asyncio
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.deliver.destination import Accepted, Outcome, Outgoing, Refused, Retry
from gateway.deliver.destinations.mllp import MllpDestination
from gateway.settings.mllp import MllpSettings

MESSAGE = Outgoing("M1", b"MSH|^~\\&|A|B|C|D|20261121101500+0100||ORU^R01^ORU_R01|M1|P|2.6\r")
ACK = b"\x0bMSH|^~\\&|C|D|A|B|20261121101500+0100||ACK^R01^ACK|R1|P|2.6\rMSA|AA|M1\r\x1c\r"
ALMOST = st.sampled_from(
    [b"\x0b", b"\x1c\r", b"MSH|^~\\&|", b"\rMSA|", b"AA|", b"AR|", b"M2\r", b"ERR|||101\r", b"\x15\x03\x01", b"\x00"]
)


async def told(chunks: list[bytes], connect_timeout_s: float = 5) -> Outcome:
    """The outcome with a peer that says `chunks`, each in a write of its own, and closes."""

    writers: list[asyncio.StreamWriter] = []
    talks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        talks.add(asyncio.create_task(talk(reader, writer)))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\x1c\r")
        for chunk in chunks:
            writer.write(chunk)
            await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    destination = MllpDestination(MllpSettings(address=f"127.0.0.1:{port}", ack_timeout_s=5, connect_timeout_s=connect_timeout_s))
    try:
        return await destination.send(MESSAGE)
    finally:
        await destination.close()
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*talks, return_exceptions=True)  # one that was only asked for TLS ends without its message
        await server.wait_closed()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=200) | ALMOST, max_size=12))
def test_noise_is_never_an_acceptance_and_never_an_exception(chunks: list[bytes]) -> None:
    assert isinstance(asyncio.run(told(chunks, connect_timeout_s=0.1)), Retry)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, len(ACK) - 1), max_size=8))
def test_any_split_of_an_answer_is_the_same_answer(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(ACK)]
    assert asyncio.run(told([ACK[a:b] for a, b in itertools.pairwise(edges)])) == Accepted("AA")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60).filter(lambda noise: b"\x0b" not in noise))
def test_an_answer_behind_noise_in_the_same_write_is_the_same_answer(noise: bytes) -> None:
    assert asyncio.run(told([noise + ACK])) == Accepted("AA")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["AA", "AE", "AR", "CA", "CE", "CR"]), st.text(max_size=300))
def test_the_receivers_words_are_capped_and_printable(code: str, text: str) -> None:
    words = text.replace("\x0b", "").replace("\x1c", "").replace("\r", "").replace("\n", "")
    ack = ACK.replace(b"MSA|AA|M1\r", f"MSA|{code}|M1|{words}\r".encode("utf-8", "replace"))
    result = asyncio.run(told([ack]))
    assert not isinstance(result, Accepted) or result.code == code
    if isinstance(result, Retry | Refused):
        assert len(result.why) < 700
        assert result.why.isprintable()
