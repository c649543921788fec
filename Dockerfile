# One node. Its TLS is by the OpenSSL that cryptography carries, as outside: docs/decisions/0036.
FROM python:3.13-slim-trixie AS build
WORKDIR /build
COPY requirements.lock requirements-dev.lock ./
RUN python -m venv /opt/exchange \
 && /opt/exchange/bin/pip install --no-cache-dir --only-binary :all: --require-hashes -r requirements.lock
RUN pip install --no-cache-dir --only-binary :all: --require-hashes -r requirements-dev.lock
COPY . .
RUN python -m build --no-isolation --wheel --outdir dist \
 && /opt/exchange/bin/pip install --no-cache-dir --no-deps --no-index dist/*.whl \
 && /opt/exchange/bin/pip uninstall --yes pip

FROM python:3.13-slim-trixie
RUN useradd --system --uid 10001 --home-dir /var/lib/exchange exchange \
 && install -d -o exchange -g exchange -m 0700 /var/lib/exchange \
    /var/lib/exchange/node /var/lib/exchange/node-us
# An empty volume takes the owner of the folder it is mounted on.
COPY --from=build /opt/exchange /opt/exchange
ENV PATH=/opt/exchange/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER exchange
VOLUME /var/lib/exchange
EXPOSE 8443 8444
ENTRYPOINT ["exchange"]
CMD ["up", "--state", "/var/lib/exchange/node", "--listen", "0.0.0.0:8443"]
