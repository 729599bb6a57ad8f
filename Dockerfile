# The command in a container, without network: docker run --rm --network none --volume "$PWD:/work" xor-sweep run mine.yaml
# Built for you: docker build --build-arg USER_ID="$(id -u)" --tag xor-sweep .
# The kernel is compiled here; on another kind of processor it is compiled again when it is first needed.
FROM python:3.13-slim-bookworm AS build
WORKDIR /source
RUN python -m venv /opt/sweep
ENV PATH=/opt/sweep/bin:$PATH UV_COMPILE_BYTECODE=1 UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1
COPY install.py requirements.lock requirements-setup.lock ./
RUN python install.py requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY sweep sweep
RUN uv pip install --python /opt/sweep/bin/python --no-deps --no-build-isolation .

FROM python:3.13-slim-bookworm
COPY --from=build /opt/sweep /opt/sweep
ARG USER_ID=1000
RUN useradd --create-home --uid "$USER_ID" sweep && mkdir /work && chown sweep /work
USER $USER_ID
ENV PATH=/opt/sweep/bin:$PATH
WORKDIR /work
RUN sweep train width=4 epochs=1 --seeds 1
ENTRYPOINT ["sweep"]
CMD ["--help"]
