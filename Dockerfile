# Two stages: wheels are installed where there are tools for it, and only the result is shipped.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements/run.txt requirements/run.txt
RUN python -m venv /opt/entrepot && /opt/entrepot/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE hatch_build.py ./
COPY providers providers
COPY billing billing
COPY routing routing
COPY gateway gateway
# What builds our own wheel and the dashboard's charts (with npm) stays in this stage.
COPY requirements/build.txt requirements/build.txt
RUN python -m venv /tmp/build && /tmp/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && /tmp/build/bin/pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir /tmp/dist . \
    && /opt/entrepot/bin/pip install --no-cache-dir --no-deps /tmp/dist/*.whl \
    && /opt/entrepot/bin/pip uninstall -y pip

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /data entrepot && mkdir /data && chown entrepot /data
COPY --from=build /opt/entrepot /opt/entrepot
ENV PATH=/opt/entrepot/bin:$PATH PYTHONUNBUFFERED=1
USER entrepot
WORKDIR /data
EXPOSE 8080
VOLUME /data
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
# Mount your config at /data/config.yaml. On an address other than loopback it needs keys.
ENTRYPOINT ["entrepot"]
CMD ["serve", "--config", "/data/config.yaml"]
