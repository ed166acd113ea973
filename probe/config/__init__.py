"""The configuration: `probe.toml`, the environment and options, read strictly into frozen settings."""

from probe.config.load import BadSettings, load_settings, strange_variables
from probe.config.schema import json_schema
from probe.config.settings import (
    AlertSettings,
    ChannelSettings,
    DoctorSettings,
    ExporterSettings,
    Given,
    KeepSettings,
    MonitorSettings,
    RuleSettings,
    SafetySettings,
    Settings,
    StoreSettings,
    TargetSettings,
    VantageSettings,
)

__all__ = [
    "AlertSettings",
    "BadSettings",
    "ChannelSettings",
    "DoctorSettings",
    "ExporterSettings",
    "Given",
    "KeepSettings",
    "MonitorSettings",
    "RuleSettings",
    "SafetySettings",
    "Settings",
    "StoreSettings",
    "TargetSettings",
    "VantageSettings",
    "json_schema",
    "load_settings",
    "strange_variables",
]
