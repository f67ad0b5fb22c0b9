"""A run told as OpenTelemetry spans, for tools that show traces (Phoenix, Langfuse, Jaeger, any collector).

span.py       `Span`: one thing that took time, as OpenTelemetry has it
convention.py OpenInference's names, and what a recorded call is called in them
spans.py      a run as spans: agents, their pages, nodes, calls, tools
otlp.py       spans as OTLP: lines of a file, or posted to a collector
"""
