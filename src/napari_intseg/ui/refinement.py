"""Refine answers by a graph cut, or stop doing so: one choice for all images of a window."""

from weakref import WeakKeyDictionary

from napari_intseg.inference.graph_cut import GraphCut
from napari_intseg.ui.drawer import Drawer
from napari_intseg.ui.workbench import Workbench


class Refinement:
    """Has every image that is worked on answered as chosen.

    Parameters
    ----------
    bench : Workbench
        Whose answers. Whoever makes a refinement keeps it.
    """

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._wanted: GraphCut | None = None
        self._told: WeakKeyDictionary[Drawer, GraphCut | None] = WeakKeyDictionary()
        bench.voice.changed.connect(self._follow)

    def choose(self, wanted: bool) -> None:
        """Refine from now on, or not; the plane in the window is answered anew."""
        self._wanted = GraphCut() if wanted else None
        self._follow()

    def _follow(self) -> None:
        binder = self._bench.binder
        if binder is None or self._told.get(binder.drawer) == self._wanted:
            return
        drawer = binder.drawer
        self._told[drawer] = self._wanted
        drawer.look(graph_cut=self._wanted)
        if drawer.model is not None:
            binder.set_model(drawer.model)
