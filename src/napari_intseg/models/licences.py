"""What licences bind, told before anything is downloaded."""

from napari_intseg.models.catalogue import find_entry

_FREE = ("MIT", "BSD", "Apache", "your own")


def badge(licence: str, note: str = "") -> str:
    """Return in a word or two how a licence binds; empty if it hardly does.

    Parameters
    ----------
    licence : str
        Of a model: an SPDX name or words.
    note : str
        What the registry says besides.
    """
    told = f"{licence} {note}".lower()
    for part, words in (
        ("research", "research only"),
        ("nvidia", "research only"),
        ("-nc-", "not commercial"),
        ("gpl", "copyleft"),
        ("mpl", "copyleft by file"),
        ("none stated", "no licence"),
        ("not stated", "no licence"),
    ):
        if part in told:
            return words
    return "" if any(free in licence for free in _FREE) else "read it"


def licence_lines(key: str) -> list[str]:
    """Return what to tell of a weight file before its first byte comes.

    Parameters
    ----------
    key : str
        Of the catalogue.

    Returns
    -------
    list of str
        The licence of the weights, with a badge if it or that of a model binds; those of the models
        that use them, if they differ; and notes.

    Raises
    ------
    WeightsError
        If there is no such key.
    """
    from napari_intseg.models.registry import available_models

    entry = find_entry(key)
    specs = [spec for spec in available_models().values() if spec.weights == key]
    how = badge(entry.licence) or next((b for s in specs if (b := badge(s.licence, s.note))), "")
    licences = dict.fromkeys(spec.licence for spec in specs)
    notes = dict.fromkeys(note for note in (entry.note, *(s.note for s in specs)) if note)
    return [
        f"licence of the weights: {entry.licence}" + (f" [{how}]" if how else ""),
        *(f"licence of the model: {one}" for one in licences if one != entry.licence),
        *(f"note: {note}" for note in notes),
    ]
