import socket

from sidecar.demo.reservation import Reservation
from sidecar.net.listen import open_listener


def test_a_reserved_port_can_be_listened_on_while_it_is_reserved() -> None:
    with Reservation() as reservation, open_listener(reservation.address) as listener:
        with socket.create_connection(("127.0.0.1", reservation.port)):
            pass
        assert listener.getsockname()[1] == reservation.port


def test_a_reserved_port_is_given_to_nobody_else() -> None:
    with Reservation() as reservation:
        others = [Reservation() for _ in range(200)]
        ports = {other.port for other in others}
        for other in others:
            other.__exit__(None, None, None)

    assert len(ports) == 200
    assert reservation.port not in ports


def test_until_somebody_listens_there_nothing_answers() -> None:
    with Reservation() as reservation, socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", reservation.port)) != 0
