"""FCTSFN: two streams, for the image and for the clicks, fused late and refined [1]_.

References
----------
.. [1] Hu, Y., Soltoggio, A., Lock, R., Carter, S. "A fully convolutional two-stream fusion network
       for interactive image segmentation", Neural Networks 109, 2019, arXiv:1807.02480.
"""

import torch
from torch import Tensor, nn

from napari_intseg.models.nets.dios_net import LIMIT_PX
from napari_intseg.models.nets.vgg import Vgg
from napari_intseg.models.nets.whole_net import WholeNet, normed, smaller


class FctsfnNet(WholeNet):
    """A two-stream late fusion network, and a multi-scale network that refines its answer.

    Clicks reach the answer through fewer layers than the image does, so that they are not lost on
    the way. The previous answer is no input.

    Parameters
    ----------
    width : int, default 64
        Of the first block of both streams.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__(LIMIT_PX, "truncated", width=width)
        self.encoder, self.interaction = Vgg(3, width), Vgg(2, width, 3)
        deep, clicked = self.encoder.widths[4], self.interaction.widths[2]
        self.fuse = nn.Sequential(
            normed(deep + clicked, deep), normed(deep, deep), nn.Conv2d(deep, 1, 1)
        )
        self.refine = nn.ModuleList(
            nn.Sequential(normed(channels + 3, width), nn.Conv2d(width, 1, 1))
            for channels in (*self.encoder.widths[3::-1], 3)
        )

    def respond(self, image: Tensor, maps: Tensor, prev: Tensor) -> Tensor:
        """Return logits at the image's size; the previous answer is unused."""
        del prev
        features = self.encoder(image)
        clicked = self.interaction(maps)[-1]
        deep = smaller(features[-1], clicked)  # late fusion at stride 8: clicks stay sharp
        x: Tensor = self.fuse(torch.cat((deep, clicked), 1))
        for layer, finer in zip(self.refine, (*features[3::-1], image), strict=True):
            x = smaller(x, finer)
            x = x + layer(torch.cat((finer, x, smaller(maps, finer)), 1))
        return x
