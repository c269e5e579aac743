"""The admin site, one file per room; Django imports this package, and each file registers its pages."""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
