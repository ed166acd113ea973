"""Which dashboards there are."""

from grafana.boards import fleet, load, quality, session, slo, witness
from grafana.boards.board import Board

BOARDS: tuple[Board, ...] = (fleet.BOARD, session.BOARD, quality.BOARD, slo.BOARD, load.BOARD, witness.BOARD)
