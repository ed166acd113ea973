"""Configurations, good and broken. A broken one has the words its message must hold, and whether a schema can know it."""

from typing import NamedTuple

SECRET = "planted0secret0token000001"  # stands in many of them, and must never be shown


class Broken(NamedTuple):
    text: str
    words: str
    schema_knows: bool = True


SIM = '[targets.a]\ntarget = "sim:pocketoption"\n'
DEMO = '[targets.demo]\ncredentials = "env:PO"\n'
CHANNEL = '[[alerts.channels]]\nname = "c"\n'

GOOD = {
    "nothing": "",
    "only a comment": "# later\n",
    "an empty section": "[monitor]\n",
    "a vantage": '[vantage]\nlabel = "büro 2"\n',
    "a simulated target": SIM,
    "a simulated target with its broker": SIM + 'broker = "pocketoption"\nregion = "demo-eu"\n',
    "a credential": DEMO,
    "a credential in a file": '[targets.demo]\ncredentials = "file:~/ssid.txt"\n',
    "a credential in the keyring": '[targets.demo]\ncredentials = "keyring:demo"\n',
    "everything about a target": DEMO
    + """broker = "quotex"
endpoints = ["wss://one.example/socket.io/?EIO=3", "ws://127.0.0.1:8000/"]
region = "custom"
symbols = ["EURUSD_otc", "#AAPL"]
connect = "fallback"
knock_every = "5m"
knock_auth = true
proxy = "socks5://127.0.0.1:1080"
ca = "ca.pem"
tls_min = "1.3"
dialect = { engine = 4, quote_fields = "3" }
objective = 0.999
login = true
pin = "env:PIN"
sessions = "keyring"
owned = true
""",
    "a doctor": '[doctor]\ncontrols = ["192.0.2.1:443"]\nresolvers = ["192.0.2.53", "2001:db8::53"]\n',
    "no knocks": SIM + "knock_every = 0\n",
    "no proxy": SIM + 'proxy = "none"\n',
    "a proxy with a login": DEMO + 'proxy = "env:MY_PROXY"\n',
    "only endpoints": '[targets.door]\nendpoints = ["wss://one.example/"]\n',
    "a broker that is open to everybody": '[targets.exchange]\nbroker = "bingx"\nregion = "spot"\n',
    "a password for one way of signing in": '[targets.a]\nbroker = "mt5"\ncredentials = "env:M"\nlogin = true\nendpoints = ["http://a.example", "https://b.example"]\n',
    "a journal": '[targets.a]\nbroker = "mt5"\ncredentials = "env:M"\nendpoints = ["https://b.example"]\njournal = "logs"\n',
    "a journal of whoever it will be": DEMO + 'journal = "logs"\n',
    "names at their limits": f'[targets.{"a" * 32}]\ntarget = "sim:quotex"\n[targets.0_-]\ntarget = "sim:quotex"\n',
    "durations as text and numbers": '[monitor]\nstall_reconnect = 90\n[alerts]\nrepeat = "1h30m"\n[store.keep]\nticks = 86400.5\n',
    "a monitor": '[monitor]\ncontrol = "[2001:db8::1]:443"\ndeadman = "env:DEADMAN"\ndeadman_every = "1m"\nstall_reconnect = 0\n',
    "a deadman in the clear": '[monitor]\ndeadman = "https://ping.example/1"\n',
    "rules": '[alerts.rules.slow_response]\nthreshold = 2\nfor = "30s"\nseverity = "page"\n[alerts.rules.high_memory]\nenabled = false\n',
    "channels": CHANNEL
    + 'command = ["logger", "-t", "-t"]\n'
    + '[[alerts.channels]]\nname = "w"\nwebhook = "https://hook.example/"\ntoken = "file:token"\nseverity = "info"\n'
    + '[[alerts.channels]]\nname = "u"\nurl = "keyring:phone"\n',
    "a channel in the clear": CHANNEL + 'url = "tgram://123/456"\n',
    "quiet hours": '[alerts]\nquiet = ["Mon-Fri 22:00-06:00 Europe/Berlin"]\n',
    "no store": "[store]\nenabled = false\n",
    "a store elsewhere": '[store]\npath = "history/store.db"\n[store.keep]\nticks = "2d"\nsamples = "7d"\nminutes = "30d"\nevents = "365d"\n',
    "dotted keys": 'targets.a.target = "sim:pocketoption"\nstore.keep.ticks = "2d"\n',
}

BROKEN = {
    "a resolver by its name": Broken('[doctor]\nresolvers = ["dns.example"]\n', "this is no IP address"),
    "an unknown section": Broken("[monitr]\n", "monitr: nothing is called that (did you mean 'monitor'?)"),
    "an unknown key": Broken(
        DEMO + "knock_evry = 5\n",
        "targets.demo.knock_evry: nothing is called that (did you mean 'knock_every'?)",
    ),
    "a key by another name": Broken(
        f'[targets.demo]\nssid = "{SECRET}"\n', "targets.demo.ssid: nothing is called that (did you mean 'credentials'?)"
    ),
    "a key in the wrong section": Broken(
        "[monitor]\nknock_every = 60\n", "monitor.knock_every: nothing is called that here. It belongs into [targets.NAME]"
    ),
    "a key that is a variable": Broken("timeout = 5\n", "timeout: nothing is called that here. It belongs into the environment: TRADEPROBE_TIMEOUT"),
    "a key without a near one": Broken("[monitor]\nzzz = 5\n", "monitor.zzz: nothing is called that here. There are: control, deadman"),
    "a key with a dash": Broken(SIM + "knock-auth = true\n", "did you mean 'knock_auth'?"),
    "a secret as a key": Broken(f'[monitor]\n"{SECRET}" = 1\n', "monitor.(a name of 26 characters): nothing is called that"),
    "a target that is no table": Broken('[targets]\ndemo = "env:PO"\n', "targets.demo: this is text, not a table for each name. Write [targets.NAME]"),
    "targets in a list": Broken('[[targets]]\ncredentials = "env:PO"\n', "targets: this is a list, not a table for each name"),
    "a section that is no table": Broken("store = false\n", "store: this is true or false, not one table. Write [store] on a line"),
    "one channel as a table": Broken('[alerts.channels]\nname = "c"\n', "alerts.channels: this is a table, not a list of tables. Write [[alerts.channels]]"),
    "a name in capitals": Broken('[targets.Demo]\ntarget = "sim:quotex"\n', "targets.Demo: this is no name that can be used here"),
    "a name with a space": Broken('[targets."my demo"]\ntarget = "sim:quotex"\n', "this is no name that can be used here"),
    "a name that is too long": Broken(f'[targets.{"a" * 33}]\ntarget = "sim:quotex"\n', "this is no name that can be used here"),
    "the name of something else": Broken('[targets.sim]\ntarget = "sim:quotex"\n', "targets.sim: this is no name"),
    "a target of nothing": Broken("[targets.demo]\nlogin = false\n", "targets.demo: nothing says what to connect to"),
    "a broker that wants a credential, alone": Broken('[targets.a]\nbroker = "quotex"\n', "targets.a: nothing says what to connect to"),
    "a broker with no address of its own, alone": Broken('[targets.a]\nbroker = "mt5"\n', "targets.a: nothing says what to connect to"),
    "an open broker with a consent to nothing": Broken('[targets.a]\nbroker = "bingx"\nlogin = true\n', "targets.a.login: there is nothing to sign in with"),
    "a password for two ways of signing in": Broken(
        '[targets.a]\nbroker = "mt5"\ncredentials = "env:M"\nlogin = true\nendpoints = ["https://a.example", "bridge://127.0.0.1:1"]\n',
        "targets.a.endpoints: a password is the login itself at some of these, and wins a session at others. Make two", schema_knows=False,
    ),
    "a journal nobody reads": Broken(SIM + 'journal = "logs"\n', "targets.a.journal: of PocketOption no journal is read. Leave it out", schema_knows=False),
    "a broker nobody knows": Broken(DEMO + 'broker = "qotex"\n', "targets.demo.broker: 'qotex' is not one of the words that can stand here (did you mean 'quotex'?)"),
    "a broker that is a number": Broken(DEMO + "broker = 5\n", "targets.demo.broker: this is a number, not one of"),
    "a secret in the clear": Broken(f'[targets.demo]\ncredentials = "{SECRET}"\n', "targets.demo.credentials: a secret stands here in the clear"),
    "standard input": Broken('[targets.demo]\ncredentials = "-"\n', "a file cannot ask for standard input. Write env:NAME"),
    "a reference to nothing": Broken('[targets.demo]\ncredentials = "env:"\n', "a secret stands here in the clear, or something that is no reference"),
    "a secret as broker": Broken(DEMO + f'broker = "{SECRET}"\n', "targets.demo.broker: this is not one of the words"),
    "a pin in the clear": Broken(DEMO + 'login = true\npin = "739158"\n', "targets.demo.pin: a secret stands here in the clear"),
    "a pin without a login": Broken(DEMO + 'pin = "env:PIN"\n', "targets.demo.pin: this is for signing in, which is not on"),
    "sessions without a login": Broken(DEMO + 'sessions = "none"\n', "targets.demo.sessions: this is for signing in"),
    "a login with nothing": Broken('[targets.d]\nendpoints = ["wss://one.example/"]\nlogin = true\n', "targets.d.login: there is nothing to sign in with"),
    "a simulated target with a credential": Broken(SIM + 'credentials = "env:PO"\n', "targets.a.credentials: a simulated broker brings this itself"),
    "a simulated broker nobody knows": Broken('[targets.a]\ntarget = "sim:pocketoptoin"\n', "(did you mean 'sim:pocketoption'?)"),
    "a simulated broker and another": Broken(SIM + 'broker = "quotex"\n', "targets.a.broker: this is not the broker of sim:pocketoption", schema_knows=False),
    "an endpoint of another kind": Broken('[targets.a]\nendpoints = ["ftp://one.example/"]\n', "targets.a.endpoints: URL 'ftp://one.example/': its scheme is 'ftp', not ws, wss, http or https"),
    "an endpoint with a password": Broken(f'[targets.a]\nendpoints = ["wss://me:{SECRET}@one.example/"]\n', "it carries a user name or password"),
    "one endpoint as text": Broken('[targets.a]\nendpoints = "wss://one.example/"\n', "targets.a.endpoints: this is text, not a list"),
    "no endpoint": Broken("[targets.a]\nendpoints = []\n", "targets.a.endpoints: this list has 0 entries"),
    "the same endpoint twice": Broken('[targets.a]\nendpoints = ["wss://a.example/", "wss://a.example/"]\n', "entry 2 of this list stood in it before"),
    "too many symbols": Broken(SIM + f"symbols = {[f'S{n}' for n in range(21)]}\n", "this list has 21 entries. It takes 0 to 20"),
    "an empty symbol": Broken(SIM + 'symbols = [" "]\n', "targets.a.symbols: this is empty"),
    "a symbol that is a number": Broken(SIM + "symbols = [1]\n", "targets.a.symbols: this is a number, not text"),
    "a word that is misspelt": Broken(SIM + 'connect = "fall-back"\n', "(did you mean 'fallback'?). It is one of race, fallback"),
    "a knock that hammers": Broken(SIM + 'knock_every = "1s"\n', "targets.a.knock_every: 1s is out of range. It is from 10s to 7d", schema_knows=False),
    "a knock that hammers, as a number": Broken(SIM + "knock_every = 1\n", "targets.a.knock_every: 1s is out of range"),
    "a duration with a wrong unit": Broken(SIM + 'knock_every = "5 minutes"\n', "targets.a.knock_every: this is not a duration"),
    "a duration that is a date": Broken(SIM + "knock_every = 2026-01-01\n", "targets.a.knock_every: this is a date or time, not a duration"),
    "a duration without end": Broken(SIM + "knock_every = inf\n", "targets.a.knock_every: this is not a duration"),
    "a duration that is true": Broken(SIM + "knock_every = true\n", "this is true or false, not a duration"),
    "logins that never happen": Broken(SIM + "knock_every = 0\nknock_auth = true\n", "targets.a.knock_auth: nothing ever knocks", schema_knows=False),
    "a flag in quotes": Broken(SIM + 'knock_auth = "yes"\n', "this is text, not true or false"),
    "a proxy with a login in the clear": Broken(SIM + f'proxy = "http://me:{SECRET}@proxy.example:3128"\n', "targets.a.proxy: the proxy's login stands here in the clear"),
    "a proxy over TLS": Broken(SIM + 'proxy = "https://proxy.example"\n', "a TLS connection to the proxy itself", schema_knows=False),
    "a TLS version as a number": Broken(SIM + "tls_min = 1.3\n", 'this is a number, not text. Write it in quotes: "1.3"'),
    "an old TLS version": Broken(SIM + 'tls_min = "1.1"\n', "It is one of 1.2, 1.3"),
    "a dialect nobody has": Broken(SIM + 'dialect = { engine = "4" }\n', "targets.a.dialect: nothing is called 'engine'", schema_knows=False),
    "a dialect of lists": Broken(SIM + "dialect = { engine = [4] }\n", "targets.a.dialect: this is not a table of words"),
    "an objective in per cent": Broken(SIM + "objective = 99\n", "targets.a.objective: 99 is out of range. It is from 0.5 to 0.99999"),
    "an objective that is no number": Broken(SIM + "objective = nan\n", "targets.a.objective: this is not a number", schema_knows=False),
    "a control without a port": Broken('[monitor]\ncontrol = "192.0.2.1"\n', "monitor.control: this is no HOST:PORT"),
    "a control with a strange port": Broken('[monitor]\ncontrol = "a.example:70000"\n', "monitor.control: this is no HOST:PORT", schema_knows=False),
    "a deadman in the open": Broken(f'[monitor]\ndeadman = "http://ping.example/{SECRET}"\n', "monitor.deadman: this is no URL that can be used here. Write https://…"),
    "a deadman's interval alone": Broken("[monitor]\ndeadman_every = 60\n", "monitor.deadman_every: there is no deadman"),
    "a quiet time that is text": Broken('[alerts]\nquiet = "Mon-Fri 22:00-06:00"\n', "alerts.quiet: this is text, not a list"),
    "a severity nobody knows": Broken('[alerts.rules.slow_response]\nseverity = "pager"\n', "alerts.rules.slow_response.severity: 'pager' is not one of the words that can stand here (did you mean 'page'?)"),
    "a threshold in quotes": Broken('[alerts.rules.slow_response]\nthreshold = "2"\n', "alerts.rules.slow_response.threshold: this is not a number"),
    "a rule nobody has": Broken("[alerts.rules.slow_respons]\nfor = 1\n", "alerts.rules.slow_respons: there is no such rule (did you mean 'slow_response'?)", schema_knows=False),
    "a threshold below nothing": Broken("[alerts.rules.slow_response]\nthreshold = -1\n", "alerts.rules.slow_response.threshold: -1 is out of range. It is from 0 up"),
    "a threshold for yes or no": Broken("[alerts.rules.auth_rejected]\nthreshold = 1\n", "alerts.rules.auth_rejected.threshold: it is so or it is not", schema_knows=False),
    "a quiet time nobody understands": Broken('[alerts]\nquiet = ["Mon-Fri 22:00 Europe/Berlin"]\n', "alerts.quiet: '' in 'Mon-Fri 22:00 Europe/Berlin' is no time of day. Write it like", schema_knows=False),
    "a channel without a name": Broken('[[alerts.channels]]\ncommand = ["x"]\n', "alerts.channels[0]: it has no name"),
    "a channel to nowhere": Broken(CHANNEL, "alerts.channels[0]: nothing says how to deliver"),
    "a channel of two kinds": Broken(CHANNEL + 'url = "env:U"\ncommand = ["x"]\n', "alerts.channels[0]: url and command say how to deliver"),
    "two channels of one name": Broken((CHANNEL + 'command = ["x"]\n') * 2, "alerts.channels[1].name: another channel has this name", schema_knows=False),
    "a token for a command": Broken(CHANNEL + 'command = ["x"]\ntoken = "env:T"\n', "alerts.channels[0].token: only a webhook has a token"),
    "a command as one text": Broken(CHANNEL + 'command = "logger -t x"\n', "alerts.channels[0].command: this is text, not a list"),
    "a channel that is no URL": Broken(CHANNEL + f'url = "{SECRET}"\n', "alerts.channels[0].url: this is no URL that can be used here"),
    "a store that is kept for nothing": Broken("[store.keep]\nticks = 0\n", "store.keep.ticks: 0s is out of range. It is from 1h"),
    "a store's path that is a number": Broken("[store]\npath = 5\n", "store.path: this is a number, not a path"),
}  # fmt: skip
