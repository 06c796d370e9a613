"""The units of deploy/systemd as systemd reads them: each with the drop-in that all share."""

import re
import shlex
from collections import defaultdict
from pathlib import Path

from flashsale.tests.support.deployed import SERVICES
from flashsale.tests.support.processes import PROJECT

FOLDER = PROJECT / "deploy" / "systemd"
SHARED = FOLDER / "flashsale-.service.d" / "common.conf"
INSTALLED = "/opt/flashsale/current"
# The services of docker-compose.yml that run the application.
OURS = sorted(name for name, service in SERVICES.items() if "DATABASE_URL" in service.get("environment", {}))
# Instances of the templates, as nginx expects them (deploy/nginx/vm).
PORTS = {
    name: re.findall(r"^server 127\.0\.0\.1:(\d+) ", (PROJECT / f"deploy/nginx/vm/{name}.conf").read_text(), re.M)
    for name in ("web", "pay", "office")
}


class Unit:
    """A unit of a service of docker-compose.yml: its settings, with systemd's specifiers replaced."""

    def __init__(self, service: str, instance: str = "") -> None:
        self.service, self.name = service, f"flashsale-{service}{'@' * bool(instance)}{instance}"
        self.file = FOLDER / f"flashsale-{service}{'@' * bool(instance)}.service"
        self._values: dict[str, list[str]] = defaultdict(list)
        specifiers = {"%%": "%", "%i": instance, "%N": self.name, "%t": "/run", "%d": f"/run/credentials/{self.name}"}
        for name, value in (*assignments(self.file), *assignments(SHARED)):
            self._values[name].append(re.sub("%.", lambda match: specifiers[match[0]], value))

    def all(self, name: str) -> list[str]:
        """Return every value of a setting."""
        return self._values[name]

    def one(self, name: str) -> str:
        """Return a setting that is made once."""
        [value] = self._values[name]
        return value

    def seconds(self, name: str) -> int:
        """Return a setting that is a number of seconds."""
        return int(self.one(name))

    @property
    def argv(self) -> list[str]:
        """The command, with the program's name instead of its path."""
        program, *arguments = shlex.split(self.one("ExecStart"))
        return [Path(program).name, *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the unit sets itself."""
        words = [word for line in self.all("Environment") for word in shlex.split(line)]
        return {name: value for name, _, value in (word.partition("=") for word in words)}


def assignments(file: Path) -> list[tuple[str, str]]:
    """Return the settings of a unit file, with their sections left out."""
    lines = [line.strip() for line in file.read_text().splitlines()]
    pairs = [line.partition("=") for line in lines if line and line[0] not in "#["]
    return [(name, value) for name, _, value in pairs]


def units_of(service: str) -> list[Unit]:
    """Return the units that run a service of docker-compose.yml on one machine."""
    return [Unit(service, port) for port in PORTS[service]] if service in PORTS else [Unit(service)]


def settings_file() -> dict[str, str]:
    """Return what deploy/systemd/flashsale.env sets."""
    return dict(assignments(FOLDER / "flashsale.env"))
