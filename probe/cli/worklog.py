"""What a command that watches writes to its log: one rich line for each unit of work, as a session that ended, an incident, an alert."""

from probe.logs import get_logger
from probe.measure.records import Alert, Disconnected, Incident, Notice, Record, StateChanged


def write_log(record: Record) -> None:
    log = get_logger()
    match record:
        case Disconnected():
            log.info(
                "session_ended",
                target=record.target,
                endpoint=record.endpoint,
                lasted_seconds=round(record.lasted_seconds, 3),
                initiator=record.initiator,
                close_code=record.close_code,
                planned=record.planned,
                failure=record.failure.kind if record.failure else None,
            )
        case Incident(ended_utc=ended) if ended is not None:
            log.info(
                "incident_closed",
                target=record.target,
                cause=record.cause.value,
                code=record.code,
                seconds=round(ended - record.began_utc, 3),
                blind_seconds=round(record.blind_seconds, 3),
                blame=record.blame.value,
                verdicts=[f"{each.code} {each.certainty.value}" for each in record.verdicts],
            )
        case Alert():
            word = "alert_fired" if record.resolved_utc is None else "alert_resolved"
            log.info(word, name=record.name, target=record.target, value=record.value)
        case Notice():
            log.info("notice_given", code=record.code, target=record.target)
        case StateChanged():
            log.debug("state_changed", target=record.target, state=record.condition.state.value)
        case _:
            pass
