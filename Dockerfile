# docker build --target cpu -t aisle:cpu .      the int8 bundle on a CPU
# docker build --target gpu -t aisle:gpu .      an fp16 bundle on CUDA 13; run with --gpus all (docs/gpu.md)
# Run with --stop-timeout 30: draining may take AISLE_DRAIN_SECONDS, 20 by default.
# Neither holds torch or transformers: the service never imports them.

FROM python:3.11-slim AS cpu-environment
WORKDIR /app
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
# Dependencies first: they change more rarely than the code, so this layer is usually cached.
COPY pyproject.toml constraints.txt README.md ./
COPY relevance relevance
COPY service service
RUN /venv/bin/pip install --constraint constraints.txt '.[cpu,redis,otel]'

FROM python:3.11-slim AS cpu
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 AISLE_HOST=0.0.0.0 AISLE_PORT=8080 AISLE_BUNDLE=/models/default AISLE_PROVIDER=cpu
RUN useradd --system --uid 10001 --no-create-home aisle
COPY --from=cpu-environment /venv /venv
COPY models/default /models/default
WORKDIR /home
USER 10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=2s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['AISLE_PORT'] + '/livez', timeout=2)"]
# Exec form: the process is PID 1, so SIGTERM reaches it and it drains.
CMD ["python", "-m", "service"]

# onnxruntime-gpu 1.31 is built for CUDA 13 and cuDNN 9. Its extras `cuda` and `cudnn` would bring the same libraries as
# wheels, beside those of this base: here the base has them, and a machine without it takes the extra `gpu`.
FROM nvidia/cuda:13.0.1-cudnn-runtime-ubuntu24.04 AS gpu
RUN apt-get update && apt-get install --yes --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*
WORKDIR /app
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /venv
COPY pyproject.toml constraints.txt README.md ./
COPY relevance relevance
COPY service service
RUN /venv/bin/pip install --constraint constraints.txt '.[redis,otel]' onnxruntime-gpu
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 AISLE_HOST=0.0.0.0 AISLE_PORT=8080 AISLE_BUNDLE=/models/fp16 AISLE_PROVIDER=cuda
RUN useradd --system --uid 10001 --no-create-home aisle
WORKDIR /home
USER 10001
EXPOSE 8080
# No bundle inside: mount one exported with `precisions = ["fp16"]` at /models/fp16.
VOLUME /models/fp16
# A start opens the driver and warms every shape, which takes longer than on a CPU.
HEALTHCHECK --interval=10s --timeout=2s --start-period=120s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['AISLE_PORT'] + '/livez', timeout=2)"]
CMD ["python", "-m", "service"]
