"""What a person gives: of added clicks, only those are written down, however many there are."""

from collections.abc import Mapping
from dataclasses import replace

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.volume import Plane
from napari_intseg.session.desk import Desk
from napari_intseg.session.document import Change
from napari_intseg.session.journal.recorder import recorded
from napari_intseg.session.validate_prompts import added_clicks


class Giving(Desk):
    """A session that prompts are given to."""

    def set_prompts(self, plane: Plane, prompts: Prompts) -> Change:
        """Replace everything given for the current object on a plane.

        The mask follows at once if it is known already, or else when a `Result` is accepted.

        Parameters
        ----------
        plane : Plane
            Any that exists, of any axis.
        prompts : Prompts
            In pixels of its slice, clicks in the order they were made.

        Raises
        ------
        PromptError
            If the plane does not exist, a position is NaN or outside, the model does not take such
            a prompt, or the object is finished.
        """
        return self.give({plane: prompts})

    def give(self, changes: Mapping[Plane, Prompts], title: str = "Change prompts") -> Change:
        """Replace everything given on several planes, as one entry; see `set_prompts`.

        Where clicks were added and nothing else has changed, only those are written down.
        """
        added: dict[Plane, tuple[Click, ...]] = {}
        for plane, prompts in changes.items():
            old = self.prompts(plane)
            added[plane] = added_clicks(old.clicks, prompts.clicks)
            if not added[plane] or replace(prompts, clicks=old.clicks) != old:
                return self.change_prompts(changes, title)
        return self.add_clicks(added, title)

    @recorded
    def add_clicks(
        self, clicks: Mapping[Plane, tuple[Click, ...]], title: str = "Add clicks"
    ) -> Change:
        """Add clicks after those that are given on several planes, as one entry."""
        old = {plane: self.prompts(plane) for plane in clicks}
        changes = {p: replace(old[p], clicks=(*old[p].clicks, *new)) for p, new in clicks.items()}
        return self.change_prompts(changes, title)
