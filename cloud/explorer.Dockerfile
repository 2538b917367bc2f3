# The explorer with its demonstration, for whoever has the token:
#   docker build -f cloud/explorer.Dockerfile -t vcell-explorer .
#   docker run -p 127.0.0.1:7860:7860 -e VCELL_TOKEN=something-long vcell-explorer
# then open http://127.0.0.1:7860/?token=something-long. Your own: -v $PWD/study:/study:ro ... vcell-explorer my-cell cells.h5ad with paths in /study.
# An open demonstration, such as a Space: docker run ... vcell-explorer --token '' behind a proxy that limits visitors;
# what a visitor takes is in nbs/22_app.ipynb.
# Written to the documentation of Docker; it has not been built where this was written.
FROM python:3.11-slim
WORKDIR /opt/vcell
COPY . .
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu -c constraints.txt '.[explore]' \
    && useradd --create-home --uid 1000 vcell
USER vcell
WORKDIR /home/vcell
# one thread for each kernel, or visitors take the cores from each other
ENV PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1 MPLBACKEND=Agg
# compiled loops and fonts are ready before the first visitor comes
RUN python -c "from vcell.app import DEMO, read_bundle; read_bundle(DEMO).path()"
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/voila/static/voila.js', timeout=4).read(1)"]
ENTRYPOINT ["vcell", "explore", "--host", "0.0.0.0", "--port", "7860", "--no-browser"]
