# docker build -t verad . && docker run -p 127.0.0.1:8080:8080 -v verad:/var/lib/verad verad
FROM debian:12-slim AS build
WORKDIR /src
COPY deploy/setup.sh deploy/setup.sh
RUN deploy/setup.sh build
COPY . .
RUN make all && make install DESTDIR=/out

FROM debian:12-slim
COPY deploy/setup.sh /tmp/setup.sh
RUN /tmp/setup.sh run && rm -rf /tmp/setup.sh /var/lib/apt/lists/* \
	&& useradd --uid 10001 --home-dir /var/lib/verad --no-create-home --shell /usr/sbin/nologin verad \
	&& install -d -o verad -g verad -m 700 /var/lib/verad
COPY --from=build /out/usr/local/bin/verad /usr/local/bin/verad
USER 10001
VOLUME /var/lib/verad
EXPOSE 8080
STOPSIGNAL SIGTERM
# bash opens the socket itself, so that the image needs no HTTP client.
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s CMD ["bash", "-c", \
	"exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /healthz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["verad"]
# Inside a container the loopback is nobody's: the port that is published decides who can reach the daemon. Where that is
# more than this machine, set VERAD_AUTH=keys; an environment variable does not override an option, so none is here.
ENV VERAD_DATA=/var/lib/verad VERAD_LISTEN=0.0.0.0:8080 VERAD_AUTH=none
CMD ["serve"]
