# Two images from one file: `web` (small, without torch) and `worker` (with torch; the same one serves CPU and GPU).
FROM node:22-slim AS assets
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund --ignore-scripts && npm run vendor

FROM python:3.11-slim AS web
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /srv/tutelage
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin tutelage \
    && install -d -o tutelage -g tutelage -m 0700 /data
COPY requirements.lock ./
# The lock is complete, so --no-deps leaves out torch, which the web server never imports.
RUN grep -v '^torch==' requirements.lock > /tmp/web.lock && pip install --no-deps -r /tmp/web.lock && rm /tmp/web.lock
COPY . .
COPY --from=assets /build/static/vendor static/vendor
RUN pip install --no-deps --no-build-isolation --editable . && python -m compileall -q app workers training starter
ENV TUTELAGE_HOME=/data TUTELAGE_HOST=0.0.0.0 HF_HOME=/data/hub
USER tutelage
VOLUME /data
EXPOSE 8400
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8400/health', timeout=4)"]
CMD ["uvicorn", "app.main:create_app", "--factory", "--host", "0.0.0.0", "--port", "8400", "--no-server-header", \
     "--timeout-graceful-shutdown", "10", "--timeout-keep-alive", "75"]

FROM web AS worker
USER root
RUN pip install "$(grep '^torch==' requirements.lock)"
USER tutelage
HEALTHCHECK NONE
CMD ["tutelage", "worker"]
