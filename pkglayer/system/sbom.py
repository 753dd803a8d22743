"""A bill of materials as CycloneDX 1.6 JSON, through cyclonedx-python-lib.

`to_cyclonedx(bill)` gives the same text for the same state: serial number and time come from the
commit, references from package URLs. https://cyclonedx.org/docs/1.6/json/
"""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.license import LicenseAcknowledgement
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from pkglayer import __version__
from pkglayer.model.bill import Bill, Entry

_LICENCES = LicenseFactory()


def to_cyclonedx(bill: Bill) -> str:
    """The document's text, with one final newline."""
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"ostree:{bill.commit}"))
    bom.metadata.timestamp = datetime.fromtimestamp(bill.base.timestamp, UTC)
    tool = Component(
        name="pkglayer", version=__version__, type=ComponentType.APPLICATION, bom_ref="pkglayer"
    )
    bom.metadata.tools.components.add(tool)
    system = Component(
        name=bill.distribution or "unknown",
        version=bill.base.version or bill.release or bill.base.commit[:12],
        type=ComponentType.OPERATING_SYSTEM,
        bom_ref=f"ostree:{bill.commit}",
        properties=_of_system(bill),
    )
    bom.metadata.component = system
    components = [_component(entry, bill) for entry in bill.entries]
    bom.components.update(components)
    bom.register_dependency(system, components)
    return str(JsonV1Dot6(bom).output_as_string(indent=2)) + "\n"


def _of_system(bill: Bill) -> Iterator[Property]:
    yield Property(name="pkglayer:commit", value=bill.commit)
    yield Property(name="pkglayer:base-commit", value=bill.base.commit)
    yield Property(name="pkglayer:base-refspec", value=bill.base.refspec)
    yield Property(name="pkglayer:base-version", value=bill.base.version)
    if bill.digest:
        yield Property(name="pkglayer:plan-digest", value=bill.digest)


def _component(entry: Entry, bill: Bill) -> Component:
    facts = entry.installed
    purl = _purl(entry, bill)
    licences = []
    if facts.licence:
        declared = LicenseAcknowledgement.DECLARED
        licences = [_LICENCES.make_from_string(facts.licence, license_acknowledgement=declared)]
    links = []
    if facts.url:
        links = [ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(facts.url))]
    return Component(
        name=facts.nevra.name,
        version=facts.nevra.evr,
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        description=facts.summary or None,
        licenses=licences,
        supplier=OrganizationalEntity(name=facts.supplier) if facts.supplier else None,
        hashes=_hashes(entry),
        external_references=links,
        properties=_of_package(entry),
    )


def _purl(entry: Entry, bill: Bill) -> PackageURL:
    """As the purl specification has it for the type rpm: the epoch is a qualifier."""
    nevra = entry.installed.nevra
    qualifiers = {"arch": nevra.arch, "upstream": entry.installed.source}
    qualifiers |= {"epoch": str(nevra.epoch)} if nevra.epoch else {}
    if bill.distribution and bill.release:
        qualifiers["distro"] = f"{bill.distribution}-{bill.release}"
    return PackageURL(
        type="rpm",
        namespace=bill.distribution or None,
        name=nevra.name,
        version=f"{nevra.version}-{nevra.release}",
        qualifiers={key: value for key, value in qualifiers.items() if value},
    )


def _hashes(entry: Entry) -> list[HashType]:
    """The RPM file's own checksum, known of what is layered."""
    checksum = entry.layered.checksum if entry.layered else ""
    algorithm, _, digest = checksum.partition(":")
    return [HashType.from_composite_str(checksum)] if digest and algorithm == "sha256" else []


def _of_package(entry: Entry) -> Iterator[Property]:
    facts, layered = entry.installed, entry.layered
    rows = [
        ("pkglayer:origin", "layer" if layered else "base"),
        ("pkglayer:rpm-header-sha256", facts.header_checksum),
        ("pkglayer:rpm-payload-sha256", facts.payload_checksum),
    ]
    if layered:
        rows += [("pkglayer:repository", layered.repo), ("pkglayer:reason", layered.reason)]
        rows += [("pkglayer:signed-by", layered.key)]
        rows += [("pkglayer:request", spec) for spec in layered.requests]
        rows += [("pkglayer:requested-by", source) for source in entry.sources]
    for name, value in rows:
        if value:
            yield Property(name=name, value=value)
