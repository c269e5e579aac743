"""nginx and Apache with the configurations that are shipped, in front of a running service, on free loopback ports."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.guide.programs import require
from tests.stack.service import ROOT, free_port

HOST = "api.yourdomain.com"  # as in the files
PATIENCE = 30.0  # seconds

# Debian's nginx.conf without its paths: what sites are included in.
NGINX = """
daemon off; pid {tmp}/nginx.pid; error_log {tmp}/error.log; worker_processes 2; {user}
events {{ worker_connections 768; }}
http {{
    sendfile on; tcp_nopush on; types_hash_max_size 2048; include /etc/nginx/mime.types;
    default_type application/octet-stream; access_log {tmp}/access.log; gzip on;
    client_body_temp_path {tmp}/body; proxy_temp_path {tmp}/proxy; fastcgi_temp_path {tmp}/fastcgi;
    uwsgi_temp_path {tmp}/uwsgi; scgi_temp_path {tmp}/scgi;
    include {tmp}/site;
}}
"""

# Debian's apache2.conf without its paths, with the modules that the site names.
APACHE = """
ServerRoot {tmp}
DefaultRuntimeDir {tmp}
PidFile {tmp}/apache.pid
ServerName localhost
{modules}
{user}
TypesConfig /etc/mime.types
ErrorLog {tmp}/error.log
<Directory />
    Options FollowSymLinks
    AllowOverride None
    Require all denied
</Directory>
<Directory /var/www/>
    Require all granted
</Directory>
Listen 127.0.0.1:{plain}
Listen 127.0.0.1:{secure}
Include {tmp}/site
"""
MODULES = (
    *("mpm_event", "authz_core", "authz_host", "mime", "env", "setenvif", "socache_shmcb", "deflate", "filter"),
    *("alias", "headers", "http2", "include", "proxy", "proxy_http", "reqtimeout", "rewrite", "ssl", "unique_id"),
)


@dataclass(frozen=True)
class Proxy:
    """A proxy that listens: `secure` is its port for HTTPS, `plain` the other; `directory` holds its files."""

    name: str
    secure: int
    plain: int
    directory: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.secure}"

    def client(self, key: str = "", address: str | None = None) -> httpx.Client:
        """A client that trusts the proxy's certificate alone and asks for its host by name."""
        headers = {"Host": HOST} | ({"Authorization": f"Bearer {key}"} if key else {})
        way = httpx.HTTPTransport(verify=self.trust(), local_address=address)
        return httpx.Client(base_url=self.url, headers=headers, transport=way, timeout=PATIENCE * 2)

    def trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.directory / "fullchain.pem"))
        context.check_hostname = False  # the address is 127.0.0.1; the certificate itself is pinned
        return context

    def errors(self) -> str:
        return (self.directory / "error.log").read_text()


@contextlib.contextmanager
def nginx(directory: Path, backend: str) -> Iterator[Proxy]:
    require("nginx")
    user = "user root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(NGINX.format(tmp=directory, user=user))
    site = (ROOT / "deploy/nginx/openwebui-api-v2").read_text()
    command = ["nginx", "-c", str(directory / "nginx.conf"), "-e", str(directory / "error.log")]
    site = "\n".join(line for line in site.splitlines() if "listen [::]:" not in line)  # not every host has IPv6
    with _started("nginx", directory, site, backend, command) as proxy:
        yield proxy


@contextlib.contextmanager
def apache(directory: Path, backend: str) -> Iterator[Proxy]:
    require("apache2")
    site = (ROOT / "deploy/apache/openwebui-api-v2.conf").read_text()
    command = ["apache2", "-D", "FOREGROUND", "-f", str(directory / "apache2.conf")]
    # Apache gives up root, which the tests may run as, and pytest closes its directories to others at each start.
    with tempfile.TemporaryDirectory(prefix="apiv2-apache-") as name:
        Path(name).chmod(0o755)
        shutil.copytree(ROOT / "deploy/apache/errors", Path(name) / "errors")
        site = site.replace("/etc/apache2/openwebui-errors", f"{name}/errors")
        with _started("apache", directory, site, backend, command) as proxy:
            yield proxy


@contextlib.contextmanager
def _started(name: str, directory: Path, site: str, backend: str, command: list[str]) -> Iterator[Proxy]:
    make_certificate(directory)
    secure, plain = free_port(), free_port()
    assert site.count("127.0.0.1:3000") >= 2
    site = site.replace("127.0.0.1:3000", backend).replace(f"/etc/letsencrypt/live/{HOST}", str(directory))
    for standard, own in ((443, secure), (80, plain)):
        site = site.replace(f"listen {standard}", f"listen 127.0.0.1:{own}")
        site = site.replace(f"*:{standard}", f"127.0.0.1:{own}")
    (directory / "site").write_text(site)
    if name == "apache":
        _write_apache(directory, secure, plain)
    with (directory / "stderr").open("w") as stderr:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=stderr, cwd=directory)
    try:
        _await_port(secure, process, directory)
        yield Proxy(name, secure, plain, directory, process)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _write_apache(directory: Path, secure: int, plain: int) -> None:
    folder = Path("/usr/lib/apache2/modules")
    modules = "\n".join(f"LoadModule {module}_module {folder}/mod_{module}.so" for module in MODULES)
    user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    (directory / "apache2.conf").write_text(
        APACHE.format(tmp=directory, modules=modules, user=user, secure=secure, plain=plain)
    )


def _await_port(port: int, process: subprocess.Popen[bytes], directory: Path) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            said = (directory / "stderr").read_text()
            assert process.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(0.02)


def make_certificate(directory: Path) -> None:
    """A throw-away one for the host, signed by itself: `fullchain.pem` and `privkey.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (directory / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "privkey.pem").write_bytes(private)
