"""The same thing for another model, or of another brand."""

from __future__ import annotations

from collections.abc import Sequence

from training.checks.contrast.case import Case, ask_for_each

# No accessory here fits two of its models, which would make two titles right.
MODELS = (
    ("Galaxy {} Case", ("S20", "S21", "S22", "S23", "S21 Ultra")),
    ("HP {} Ink", ("301XL", "302", "303", "304", "305XL")),
    ("iPhone {} Screen Protector", ("11", "12", "13", "12 Mini", "12 Pro Max")),
    ("Brother {} Toner", ("TN-1050", "TN-2320", "TN-2420", "TN-3480")),
    ("Sony {} Headphones", ("WH-1000XM3", "WH-1000XM4", "WH-1000XM5", "WH-CH520")),
    ("PlayStation {} Controller", ("2", "3", "4", "5")),
    ("Nikon {} Camera", ("D3200", "D3300", "D5300", "D7200")),
    ("Ryzen 5 {} Processor", ("3600", "5500", "5600", "5600X")),
    ("GoPro Hero {} Camera", ("8", "9", "10", "11")),
    ("Dyson {} Vacuum", ("V7", "V8", "V10", "V11", "V15")),
    ("Fitbit Charge {} Tracker", ("2", "3", "4", "5")),
    ("iPad {} Tablet", ("Air 4", "Air 5", "Mini 5", "Mini 6")),
)
BRANDS = (
    ("{} Battery Charger", ("Makita", "Bosch", "DeWalt", "Ryobi")),
    ("{} Printer Ink", ("Canon", "Epson", "Brother", "Lexmark")),
    ("{} Running Shorts", ("Nike", "Adidas", "Asics", "Puma")),
    ("{} Laptop Charger", ("Dell", "Lenovo", "Asus", "Acer")),
)


def model_cases() -> list[Case]:
    """Every model and every brand of every kind."""
    return [case for form, names in (*MODELS, *BRANDS) for case in _of_form(form, names)]


def _of_form(form: str, names: Sequence[str]) -> list[Case]:
    return ask_for_each(
        (_query(number, form, name), f"{form.format(name)}, Classic") for number, name in enumerate(names)
    )


def _query(number: int, form: str, name: str) -> str:
    """Every second one without the model's hyphen, as shoppers write it."""
    return form.format(name.replace("-", "") if number % 2 else name).lower()
