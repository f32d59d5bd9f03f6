"""`python -m bench.speed gpu-check`: what a GPU is worth to this suite, in a limited time, as one page.

command.py        the command line; report.py: the results, written after each row
parts.py          the parts, in order
part_process.py, part_server.py   a part in a process of its own, with a time limit
device_facts.py, loss_comparison.py, step_times.py, attack_times.py, convolution_settings.py, shared_device.py,
suite_with_a_kill.py   the parts; all but the last need torch and numpy alone
page.py, step_table.py, recommendation.py   the page
"""
