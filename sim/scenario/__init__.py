"""The scenario language: what exactly is to be simulated?"""
