"""Stand-in for ``slicer.i18n``: English."""


def translate(context: str, text: str) -> str:
    return text


def tr(text: str) -> str:
    return text
