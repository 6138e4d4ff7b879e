"""Ports for servers that are told theirs beforehand."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from host import ports
from host.ports import free_port

TESTS = Path(__file__).parent


@pytest.fixture
def block() -> Iterator[ports.Block]:
    """One of which nothing is in use, as it may be where a test process left a server behind."""
    reserved = [ports.reserve()]
    while not all(map(ports.nobody_listens, range(reserved[-1].first + 1, reserved[-1].first + ports.SIZE))):
        reserved.append(ports.reserve())
    yield reserved[-1]
    for each in reserved:
        each.close()


def test_no_port_is_one_that_the_kernel_gives_to_outgoing_connections():
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(free_port() < first for _ in range(ports.SIZE))


def test_two_processes_never_choose_the_same_port():
    program = f"from ports import free_port; print({{free_port() for _ in range({ports.SIZE - 1})}})"
    others = subprocess.run(
        [sys.executable, "-c", program], cwd=TESTS, capture_output=True, text=True, check=True, timeout=240
    ).stdout
    assert not {free_port() for _ in range(ports.SIZE - 1)} & eval(others)


def test_a_port_comes_again_only_when_all_others_have_come(block: ports.Block):
    assert len({block.free_port() for _ in range(ports.SIZE - 1)}) == ports.SIZE - 1


def test_a_port_that_somebody_listens_on_is_passed_over(block: ports.Block):
    port = block.free_port(in_a_row=2)
    with socket.create_server(("127.0.0.1", port + 1)):
        assert port + 1 not in {block.free_port() for _ in range(ports.SIZE - 2)}


def test_ports_in_a_row_are_all_free(block: ports.Block):
    first = block.free_port(in_a_row=4)
    for port in range(first, first + 4):
        socket.create_server(("127.0.0.1", port)).close()


def test_a_block_is_free_again_once_its_process_has_given_it_back():
    # The last one: no process that reserves meanwhile comes to it.
    block = ports.Block(ports.END - ports.SIZE)
    with pytest.raises(OSError, match="in use"):
        ports.Block(block.first)
    block.close()
    ports.Block(block.first).close()
