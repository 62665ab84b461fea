"""What a destination's settings make: the way to its receiver, and its message format. Each loads what it needs and no more."""

from __future__ import annotations

from gateway.deliver.destination import Destination
from gateway.deliver.messages import Renderer
from gateway.model import Gateway
from gateway.settings.destinations import AnyDestination, FhirServer, MllpLab, MllpLaw, MllpPoct


def make_destination(settings: AnyDestination) -> Destination:
    """The way to a receiver."""
    if isinstance(settings, FhirServer):
        from gateway.deliver.destinations.fhir import FhirDestination

        return FhirDestination(settings, settings.id)
    from gateway.deliver.destinations.mllp import MllpDestination

    return MllpDestination(settings, settings.id)


def make_renderer(settings: AnyDestination, gateway: Gateway) -> Renderer:
    """A destination's message format."""
    if isinstance(settings, FhirServer):
        from gateway.deliver.messages import fhir

        return fhir.renderer(settings, gateway)
    if isinstance(settings, MllpLab):
        from gateway.deliver.messages import lab

        return lab.renderer(settings, gateway)
    if isinstance(settings, MllpLaw):
        from gateway.deliver.messages import law

        return law.renderer(settings, gateway)
    if isinstance(settings, MllpPoct):
        from gateway.deliver.messages import poct

        return poct.renderer(settings, gateway)
    from gateway.deliver.messages import pcd01

    return pcd01.renderer(settings, gateway)
