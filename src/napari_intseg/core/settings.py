"""Settings that rooms hand to each other."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ZoomIn:
    """Which part of a slice a model looks at, by the rule of RITM [1]_.

    Parameters
    ----------
    skip_clicks : int, default -1
        No crop while there are at most so many clicks; negative: from the first click on, and a
        first answer that is small is asked for again, zoomed in.
    target_size : int or (int, int) or None, default 400
        Size of the view in pixels: an integer is its longer side, a pair its height and width,
        None leaves the crop's own size.
    min_crop_size : int, default 200
        Crops are at least so large, pixels of the slice.
    expansion : float, default 1.4
        The object's box is enlarged by this factor.
    recompute_iou : float, default 0.5
        The crop is kept while its overlap with the newly proposed one is at least this.
    keep_crop : bool, default True
        False proposes the crop anew at every click (FocalClick).
    threshold : float, default 0.5
        Probability above which a pixel counts as object when a crop is proposed.
    fine_size : int or None, default None
        Longer side of the view from `fine_clicks` clicks on, instead of `target_size`: what is left
        to correct by then is detail.
    fine_clicks : int, default 4
        See `fine_size`.

    References
    ----------
    .. [1] Sofiiuk, K., Petrov, I., Konushin, A. "Reviving iterative training with mask guidance
       for interactive segmentation", arXiv:2102.06583.
    """

    skip_clicks: int = -1
    target_size: int | tuple[int, int] | None = 400
    min_crop_size: int = 200
    expansion: float = 1.4
    recompute_iou: float = 0.5
    keep_crop: bool = True
    threshold: float = 0.5
    fine_size: int | None = None
    fine_clicks: int = 4
