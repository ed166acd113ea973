# tradeprobe from this tree: docker build -t tradeprobe . (docs/packaging.md says how it is run)
ARG PYTHON=3.13-slim-bookworm

FROM python:${PYTHON} AS build
RUN python -m venv /opt/tradeprobe
COPY requirements/runtime.txt /src/requirements/runtime.txt
RUN /opt/tradeprobe/bin/pip install --no-cache-dir --require-hashes --requirement /src/requirements/runtime.txt
COPY pyproject.toml README.md LICENSE /src/
COPY probe /src/probe
COPY exporters /src/exporters
COPY loadtests /src/loadtests
COPY reports /src/reports
COPY docs/man /src/docs/man
COPY deploy/systemd /src/deploy/systemd
RUN /opt/tradeprobe/bin/pip install --no-cache-dir --no-deps --no-build-isolation /src \
    && /opt/tradeprobe/bin/pip uninstall --yes hatchling pip

FROM python:${PYTHON}
COPY --from=build /opt/tradeprobe /opt/tradeprobe
RUN install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/tradeprobe
ENV PATH=/opt/tradeprobe/bin:$PATH \
    HOME=/var/lib/tradeprobe \
    TRADEPROBE_HOME=/var/lib/tradeprobe \
    TRADEPROBE_EXPORTER_LISTEN=0.0.0.0:18480 \
    PYTHONDONTWRITEBYTECODE=1
# The one folder that is written to; the rest may be read-only.
VOLUME /var/lib/tradeprobe
WORKDIR /var/lib/tradeprobe
USER 10001:10001
EXPOSE 18480
# Answered from the monitor's own loop: a monitor that hangs, or has not begun a target, is not healthy.
HEALTHCHECK --interval=30s --timeout=6s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 18480, timeout=5); c.request('GET', '/-/ready'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["probe"]
CMD ["exporter"]
