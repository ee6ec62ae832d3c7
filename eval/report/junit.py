"""The gate as JUnit XML, which CI systems show: a test case a light, in the format that Jenkins and GitLab read."""

from xml.etree import ElementTree

from assistant.artifacts.evaluation import Light
from assistant.text.printing import visible
from eval.results import Costs, Results


def junit_of(results: Results, costs: Costs) -> bytes:
    """The XML. A light that fails is a failure, one that is too thin an error, for neither may be merged unseen."""
    gate = results.gate
    suite = ElementTree.Element(
        "testsuite",
        name=visible(results.title),
        tests=str(len(gate.lights)),
        failures=str(sum(light.status == "fail" for light in gate.lights)),
        errors=str(sum(light.status == "thin" for light in gate.lights)),
        skipped="0",
        time=f"{costs.seconds:.3f}",
        timestamp=visible(costs.created),
    )
    for light in gate.lights:
        _add(suite, gate.system, light)
    ElementTree.SubElement(suite, "system-out").text = visible(gate.verdict, keep_lines=True)
    ElementTree.indent(suite)
    xml: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return xml + b"\n"


def _add(suite: ElementTree.Element, system: str, light: Light) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=visible(system), name=visible(light.metric))
    reason = visible(light.reason)
    match light.status:
        case "fail":
            ElementTree.SubElement(case, "failure", message=reason, type="regression")
        case "thin":
            ElementTree.SubElement(case, "error", message=reason, type="too little evidence")
        case _:
            ElementTree.SubElement(case, "system-out").text = reason
