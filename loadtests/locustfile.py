"""`locust -f loadtests/locustfile.py`: users of the run's broker; without a target, of a simulator that is started for the run."""

from loadtests import settings, users

BROKER = settings.current().plan.broker if settings.is_known() else "pocketoption"


class Trader(users.BrokerUser):
    broker = BROKER
