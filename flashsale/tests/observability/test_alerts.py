"""Alerts and dashboard ask for metrics that exist; promtool tries each alert; the runbook has a section for each."""

import json
import re
import subprocess

import yaml

from flashsale.tests.support.browser import tool
from flashsale.tests.support.processes import PROJECT

DEPLOY = PROJECT / "deploy"
NAME = re.compile(r"\bflashsale_\w+")
# The series of a histogram.
OF_HISTOGRAM = re.compile(r"_(bucket|count|sum)$")


def rules() -> list[dict]:
    """Every alert."""
    return [rule for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    """Every PromQL expression of alerts and dashboard."""
    panels = json.loads((DEPLOY / "grafana/dashboards/flashsale.json").read_text())["panels"]
    shown = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    return [*(rule["expr"] for rule in rules()), *shown]


def test_each_alert_fires_when_it_should_and_not_otherwise():
    argv = [tool("promtool"), "test", "rules", "alerts_test.yml"]
    done = subprocess.run(argv, cwd=DEPLOY, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tried_in_a_quiet_shop_and_in_trouble():
    tried = yaml.safe_load((DEPLOY / "alerts_test.yml").read_text())["tests"]
    assert len(tried) == 2
    for test in tried:
        assert {case["alertname"] for case in test["alert_rule_test"]} == {rule["alert"] for rule in rules()}


def test_every_metric_that_is_asked_for_exists(client, product):
    text = client.get("/metrics").content.decode()
    exist = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))

    asked = {OF_HISTOGRAM.sub("", name) for expression in expressions() for name in NAME.findall(expression)}

    scripts = "".join(path.read_text() for path in (DEPLOY / "backup").glob("*.sh"))
    of_backups = set(re.findall(r"\bmetric (flashsale_\w+)", scripts))
    assert asked - exist - of_backups - {"flashsale_drifting_products"} == set()


def test_every_alert_has_a_section_in_the_runbook():
    headings = re.findall(r"^#+ (.+)$", (PROJECT / "docs/operations.md").read_text(), re.MULTILINE)

    for rule in rules():
        assert rule["alert"] in headings
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"


def alertmanager() -> dict:
    """Return the routes and inhibitions, without receivers."""
    return yaml.safe_load((DEPLOY / "alertmanager.yml").read_text())


def test_every_severity_has_a_route_and_every_route_a_receiver_of_its_name():
    routes = alertmanager()["route"]["routes"]

    by_severity = {re.fullmatch(r'severity="(\w+)"', route["matchers"][0])[1]: route["receiver"] for route in routes}

    assert {rule["labels"]["severity"] for rule in rules()} == set(by_severity)
    assert by_severity == {name: name for name in by_severity}


def test_only_alerts_that_exist_are_held_back_and_never_one_about_stock_or_money():
    inhibitions = alertmanager()["inhibit_rules"]
    matchers = [matcher for rule in inhibitions for matcher in rule["source_matchers"] + rule["target_matchers"]]
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in rules()}

    named = [re.fullmatch(r'alertname=~?"([\w|]+)"', matcher)[1].split("|") for matcher in matchers]

    assert {name for names in named for name in names} <= set(severities)
    held_back = {name for names in named[1::2] for name in names}
    assert not held_back & {"StockDrift", "Oversold", "EventsNeedReview", "EventsLost", "RefundsWaiting", "WebDown"}
    # A page is held back by another page only.
    assert {severities[name] for [name] in named[::2]} == {"page"}
